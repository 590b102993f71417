//! Who is asking, and whether they may: from the `Authorization` header to a credential or a refusal.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::answers::Answer;
use super::index::{Snapshot, same};
use super::tokens::Tokens;
use super::world::{Credential, Scheme, Standing};

/// What somebody wants to do with an organisation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Read code or projects, for which the credential needs the scope.
    Read,
    /// Read work items, search them, and subscribe to them.
    ReadWork,
    /// Make and change work items.
    WriteWork,
    /// Ask who they are.
    Introduce,
}

enum Sender {
    /// Nobody the service knows.
    Unknown,
    /// A credential sent in a way that the service takes for a browser's visit.
    Garbled,
    Known(Arc<Credential>),
}

/// The credential of a request, if it opens this organisation; else the refusal.
pub(crate) fn admit(
    snapshot: &Snapshot,
    tokens: &Tokens,
    headers: &HeaderMap,
    organisation: &str,
    purpose: Purpose,
) -> Result<Arc<Credential>, Answer> {
    let credential = match sender(snapshot, tokens, headers) {
        Sender::Known(credential) => credential,
        Sender::Garbled => return Err(Answer::e4()),
        Sender::Unknown if suppresses_redirect(headers) => return Err(Answer::e1()),
        Sender::Unknown => return Err(Answer::e5()),
    };
    match (credential.standing, credential.scheme) {
        (Standing::Expired, Scheme::Pat) => return Err(Answer::e3()),
        (Standing::Expired, Scheme::Bearer) => return Err(Answer::e4()),
        (Standing::RefusedByPolicy, _) => return Err(Answer::e6()),
        _ => {}
    }
    if !credential.organisations.iter().any(|name| same(name, organisation)) {
        return Err(Answer::e2());
    }
    if credential.standing == Standing::MissingScope && purpose != Purpose::Introduce {
        return Err(Answer::e8());
    }
    // Who may write may read.
    let lacks = |scope: &str| credential.lacks.iter().any(|lacked| lacked == scope);
    match purpose {
        Purpose::ReadWork if lacks("vso.work") && lacks("vso.work_write") => return Err(Answer::e8()),
        Purpose::WriteWork if lacks("vso.work_write") => return Err(Answer::e8()),
        _ => {}
    }
    Ok(credential)
}

fn suppresses_redirect(headers: &HeaderMap) -> bool {
    headers
        .get("x-tfs-fedauthredirect")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"suppress"))
}

fn sender(snapshot: &Snapshot, tokens: &Tokens, headers: &HeaderMap) -> Sender {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Sender::Unknown;
    };
    let Some((scheme, secret)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return Sender::Garbled;
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        let known = snapshot.credential(secret).cloned().or_else(|| tokens.access(secret));
        return match known {
            Some(credential) if credential.scheme == Scheme::Bearer => Sender::Known(credential),
            Some(_) => Sender::Garbled,
            None => Sender::Unknown,
        };
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Sender::Garbled;
    }
    let Some(pair) = STANDARD.decode(secret.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        return Sender::Garbled;
    };
    let Some((_, password)) = pair.split_once(':') else {
        return Sender::Garbled;
    };
    match snapshot.credential(password) {
        Some(credential) if credential.scheme == Scheme::Pat => Sender::Known(credential.clone()),
        _ => Sender::Unknown,
    }
}
