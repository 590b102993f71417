//! Serialised forms that serde's derives do not give: bytes as one piece, and pairs.

use std::fmt;

use abi_stable::std_types::{RString, RVec, Tuple2};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

pub(crate) mod bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &RVec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RVec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = RVec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<RVec<u8>, E> {
            Ok(bytes.into())
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<RVec<u8>, E> {
            Ok(bytes.into())
        }
    }
}

/// Texts, not endlessly many: an empty one takes one byte when it is written and many when it is read.
pub(crate) mod texts {
    use super::*;

    const MOST_TEXTS: usize = 4096;

    pub(crate) fn serialize<S: Serializer>(texts: &RVec<RString>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(texts.iter().map(RString::as_str))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RVec<RString>, D::Error> {
        deserializer.deserialize_seq(Texts)
    }

    struct Texts;

    impl<'de> Visitor<'de> for Texts {
        type Value = RVec<RString>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MOST_TEXTS} texts")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<RVec<RString>, A::Error> {
            let mut texts = RVec::new();
            while let Some(text) = sequence.next_element()? {
                if texts.len() == MOST_TEXTS {
                    return Err(A::Error::invalid_length(texts.len(), &self));
                }
                texts.push(text);
            }
            Ok(texts)
        }
    }
}

pub(crate) mod pairs {
    use super::*;

    type Pairs = RVec<Tuple2<RString, RString>>;

    pub(crate) fn serialize<S: Serializer>(pairs: &Pairs, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(pairs.iter().map(|pair| (pair.0.as_str(), pair.1.as_str())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        deserializer.deserialize_seq(PairsVisitor)
    }

    /// An empty pair takes two bytes when it is written and many when it is read.
    const MOST_PAIRS: usize = 4096;

    struct PairsVisitor;

    impl<'de> Visitor<'de> for PairsVisitor {
        type Value = Pairs;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MOST_PAIRS} pairs")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Pairs, A::Error> {
            let mut pairs = RVec::new();
            while let Some((name, value)) = sequence.next_element::<(RString, RString)>()? {
                if pairs.len() == MOST_PAIRS {
                    return Err(A::Error::invalid_length(pairs.len(), &self));
                }
                pairs.push(Tuple2(name, value));
            }
            Ok(pairs)
        }
    }
}
