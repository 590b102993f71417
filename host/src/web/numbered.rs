//! Lists that are short on most machines, cut into numbered pages where they are not.

use serde::Serialize;

use crate::api::view::Error;

/// One page of a list.
#[derive(Debug, Serialize)]
pub(super) struct Numbered<T> {
    items: Vec<T>,
    total: usize,
    /// The number of this page, from 1.
    number: usize,
    pages: usize,
}

impl<T> Numbered<T> {
    /// The page that a query asks for as `page`; one that is not there any more is the last.
    pub(super) fn of(all: Vec<T>, size: usize, query: &[(String, String)]) -> Result<Self, Error> {
        let mut wanted = 1;
        for (name, value) in query {
            match value.parse() {
                Ok(number) if name == "page" => wanted = number,
                _ => return Err(Error::bad_request("the one parameter is `page`, with a number")),
            }
        }
        let (total, pages) = (all.len(), all.len().div_ceil(size).max(1));
        let number = wanted.clamp(1, pages);
        let items = all.into_iter().skip((number - 1) * size).take(size).collect();
        Ok(Self { items, total, number, pages })
    }

    pub(super) fn map<U>(self, change: impl FnMut(T) -> U) -> Numbered<U> {
        let Self { items, total, number, pages } = self;
        Numbered { items: items.into_iter().map(change).collect(), total, number, pages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_by_their_numbers() {
        let page = |query: &[(&str, &str)]| {
            let query: Vec<_> = query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Numbered::of((0..25).collect(), 10, &query).map(|page| (page.items, page.number, page.pages))
        };
        assert_eq!(page(&[]).unwrap(), ((0..10).collect(), 1, 3));
        assert_eq!(page(&[("page", "3")]).unwrap(), ((20..25).collect(), 3, 3));
        assert_eq!(page(&[("page", "99")]).unwrap().1, 3);
        assert_eq!(page(&[("page", "0")]).unwrap().1, 1);
        assert!(page(&[("page", "-1")]).is_err() && page(&[("q", "1")]).is_err());
        assert_eq!(Numbered::of(Vec::<u8>::new(), 10, &[]).unwrap().pages, 1);
    }
}
