//! The error space of the service, a constructor for each row.
//!
//! Status, `typeKey` and the code at the start of a message are what the service sends; the words after the
//! code are not, so that nothing can come to depend on them.

use serde_json::{Value, json};

use super::answers::Answer;

/// The body of an error: a wrapped exception.
///
/// `namespace` and `assembly` go into `typeName` beside `key`, which is also `typeKey`.
pub fn exception(namespace: &str, assembly: &str, key: &str, message: &str) -> Value {
    json!({
        "$id": "1",
        "innerException": null,
        "message": message,
        "typeName": format!("{namespace}.{key}, {assembly}"),
        "typeKey": key,
        "errorCode": 0,
        "eventId": 3000,
    })
}

const FRAMEWORK: (&str, &str) =
    ("Microsoft.TeamFoundation.Framework.Server", "Microsoft.TeamFoundation.Framework.Server");
const GIT: (&str, &str) = ("Microsoft.TeamFoundation.Git.Server", "Microsoft.TeamFoundation.Git.Server");
const CORE: (&str, &str) = ("Microsoft.TeamFoundation.Core.WebApi", "Microsoft.TeamFoundation.Core.WebApi");
const WEB_API: (&str, &str) =
    ("Microsoft.VisualStudio.Services.WebApi", "Microsoft.VisualStudio.Services.WebApi");
const COMMON: (&str, &str) =
    ("Microsoft.VisualStudio.Services.Common", "Microsoft.VisualStudio.Services.Common");
const SECURITY: (&str, &str) =
    ("Microsoft.VisualStudio.Services.Security", "Microsoft.VisualStudio.Services.WebApi");

fn fails(status: u16, home: (&str, &str), key: &str, message: &str) -> Answer {
    Answer::json(status, &exception(home.0, home.1, key, message))
        .header("activityid", "0e5d1b7a-66a1-4c44-9d5c-3c1f5f0a7e11")
}

/// The catalogue, row by row.
impl Answer {
    /// E1: a bad or missing credential, redirect suppressed.
    pub fn e1() -> Self {
        Self::status(401)
            .header("www-authenticate", "Bearer authorization_uri=https://login.microsoftonline.com/common")
            .header("www-authenticate", "Basic realm=\"https://tfsfake.visualstudio.com/\"")
    }

    /// E1 as an on-premises web server says it.
    pub fn e1_html() -> Self {
        Self::html(401, "<html><body><h1>401</h1>the web server wants a credential</body></html>")
            .header("www-authenticate", "Negotiate")
    }

    /// E2: known, but no member of the organisation.
    pub fn e2() -> Self {
        let message = "TF400813: 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' may not come in here";
        fails(401, FRAMEWORK, "UnauthorizedRequestException", message)
            .header("www-authenticate", "Bearer authorization_uri=https://login.microsoftonline.com/common")
            .header("x-tfs-serviceerror", "TF400813%3A%20may%20not%20come%20in%20here")
    }

    /// E3: an expired personal access token.
    pub fn e3() -> Self {
        let mut body = exception(SECURITY.0, SECURITY.1, "AccessCheckException", "the token ran out");
        body["customProperties"] = json!({
            "Descriptor": null, "IdentityDisplayName": null, "Token": null, "RequestedPermissions": 0,
            "NamespaceId": "00000000-0000-0000-0000-000000000000",
        });
        Self::json(401, &body)
    }

    /// E4: the sign-in page, as if all were well.
    pub fn e4() -> Self {
        Self::sign_in_page(203)
    }

    /// E5: redirect to the sign-in page.
    pub fn e5() -> Self {
        Self::redirect("https://app.vssps.visualstudio.com/_signin?realm=dev.azure.com")
    }

    /// E6: refused by a conditional access policy.
    pub fn e6() -> Self {
        fails(403, COMMON, "VssServiceException", "VS403463: a policy of the tenant says no")
    }

    /// E7: the repository is known, reading it is not allowed.
    pub fn e7() -> Self {
        fails(403, GIT, "GitNeedsPermissionException", "TF401027: 'GenericRead' is missing")
    }

    /// E8: the token lacks the scope.
    pub fn e8() -> Self {
        fails(403, COMMON, "VssServiceException", "the token does not cover this")
    }

    /// E9: no such repository, or none that may be seen.
    pub fn e9(name: &str) -> Self {
        let message = format!("TF401019: cannot find or not show the Git repository {name}");
        fails(404, GIT, "GitRepositoryNotFoundException", &message)
    }

    /// E10: no such project, by name.
    pub fn e10(name: &str) -> Self {
        let message = format!("TF200016: cannot find or not show the project {name}");
        fails(404, CORE, "ProjectDoesNotExistWithNameException", &message)
    }

    /// E11: no such project, by id.
    pub fn e11(id: &str) -> Self {
        let message = format!("VS800075: cannot find or not show the project with id '{id}'");
        fails(404, CORE, "ProjectDoesNotExistException", &message)
    }

    /// E12: nothing of the service at this address.
    pub fn e12() -> Self {
        Self::html(404, "\n<!DOCTYPE html>\n<html><head><title>404</title></head><body>nothing</body></html>")
    }

    /// E12 as plain text.
    pub fn e12_text() -> Self {
        Self::status(404).header("content-type", "text/plain").body("nothing at this address")
    }

    /// E13: a preview-only route, asked for without `-preview`.
    pub fn e13() -> Self {
        fails(
            400,
            WEB_API,
            "VssInvalidPreviewVersionException",
            "this version is a preview: ask for it as such",
        )
    }

    /// E14: a version that the server does not speak.
    pub fn e14() -> Self {
        fails(400, WEB_API, "VssVersionOutOfRangeException", "this version is too new for the server")
    }

    /// E15: an internal error that calls itself a bad request.
    pub fn e15() -> Self {
        fails(400, FRAMEWORK, "TeamFoundationServiceException", "TF400898: inside error, activity 0e5d1b7a")
    }

    /// E16: a malformed argument.
    pub fn e16(message: &str) -> Self {
        fails(400, ("System", "mscorlib"), "ArgumentException", message)
    }

    /// E17: wrong verb, no acceptable version, conflict, size, content type (405, 406, 409, 413, 415).
    pub fn e17(status: u16) -> Self {
        fails(status, COMMON, "VssServiceException", "not like this")
    }

    /// E18: a retired route.
    pub fn e18() -> Self {
        fails(410, COMMON, "VssServiceException", "this is gone")
    }

    /// E19: over the limit.
    pub fn e19() -> Self {
        fails(
            429,
            FRAMEWORK,
            "RequestBlockedException",
            "TF400733: blocked, too much of 'Concurrency' in 'User'",
        )
    }

    /// E19 without a body.
    pub fn e19_empty() -> Self {
        Self::status(429)
    }

    /// E20: overloaded or under maintenance. Add `Retry-After` where it matters.
    pub fn e20() -> Self {
        Self::html(503, "<html><body>back soon</body></html>")
    }

    /// E21: a fault in the service or a proxy (500, 502, 504).
    pub fn e21(status: u16) -> Self {
        Self::html(status, "<html><body>something broke</body></html>")
    }

    /// E22: a captive portal's page, which is no sign-in page of the service.
    pub fn e22() -> Self {
        Self::html(200, "<!DOCTYPE html><html><body>Welcome to the airport. Accept our terms.</body></html>")
    }

    /// E23: the world's answer, with the request to hold back the next call.
    pub fn e23(seconds: u64) -> Self {
        Self::from_world().retry_after(seconds)
    }

    /// E24: no answer, the connection is reset. Other ways to have no answer: [`close`](Self::close),
    /// [`hang`](Self::hang), [`Presented`](super::Presented), a host that is not served.
    pub fn e24() -> Self {
        Self::reset()
    }

    /// Every row in order, the variants included, for tables of tests.
    pub fn catalogue() -> Vec<(&'static str, Self)> {
        vec![
            ("E1", Self::e1()),
            ("E1 html", Self::e1_html()),
            ("E2", Self::e2()),
            ("E3", Self::e3()),
            ("E4", Self::e4()),
            ("E5", Self::e5()),
            ("E6", Self::e6()),
            ("E7", Self::e7()),
            ("E8", Self::e8()),
            ("E9", Self::e9("storefront")),
            ("E10", Self::e10("Web Shop")),
            ("E11", Self::e11("00000000-0000-4000-8000-00000000dead")),
            ("E12", Self::e12()),
            ("E12 text", Self::e12_text()),
            ("E13", Self::e13()),
            ("E14", Self::e14()),
            ("E15", Self::e15()),
            ("E16", Self::e16("not an argument")),
            ("E17 405", Self::e17(405)),
            ("E17 406", Self::e17(406)),
            ("E17 409", Self::e17(409)),
            ("E17 413", Self::e17(413)),
            ("E17 415", Self::e17(415)),
            ("E18", Self::e18()),
            ("E19", Self::e19()),
            ("E19 empty", Self::e19_empty()),
            ("E20", Self::e20()),
            ("E20 retry", Self::e20().retry_after(30)),
            ("E21 500", Self::e21(500)),
            ("E21 502", Self::e21(502)),
            ("E21 504", Self::e21(504)),
            ("E22", Self::e22()),
            ("E23", Self::e23(7)),
            ("E24", Self::e24()),
        ]
    }

    /// Successes that are no repository, for tables of tests. Redirects and sign-in pages are not among them.
    pub fn unusable_successes() -> Vec<(&'static str, Self)> {
        let other = json!({"id": "00000000-0000-4000-8000-00000000beef", "name": "somebody-else"});
        vec![
            ("no content", Self::status(204)),
            ("empty", Self::claimed_json(200, "")),
            ("null", Self::claimed_json(200, "null")),
            ("scalar", Self::claimed_json(200, "42")),
            ("array", Self::claimed_json(200, "[]")),
            ("not JSON", Self::claimed_json(200, "{\"id\":")),
            ("not UTF-8", Self::not_utf8()),
            ("no id", Self::claimed_json(200, "{\"name\":\"storefront\"}")),
            ("no name", Self::claimed_json(200, "{\"id\":\"5\"}")),
            ("other id", Self::json(200, &other)),
            ("XML", Self::xml()),
            ("captive portal", Self::e22()),
            ("cut off", Self::cut_off("{\"id\":\"5\",\"name\":\"storefront\"", 900)),
            ("broken chunks", Self::broken_chunks("{\"id\":\"5\"")),
        ]
    }
}
