//! Credentials, versions, the account look-up and who-am-I.

use super::*;
use crate::fake::UnknownAccount;

#[tokio::test]
async fn credentials_and_their_refusals() {
    let (_fake, client) = contoso_by_proxy().await;
    let get = || client.get(storefront());
    let quiet = |request: RequestBuilder| request.header("x-tfs-fedauthredirect", "Suppress");
    for (case, request, status, part) in [
        ("no credential, redirect suppressed", quiet(get()), 401, ""),
        ("no credential", get(), 302, ""),
        ("unknown token", with_pat(get(), "nobody's"), 401, ""),
        ("any user name", quiet(get().basic_auth("anybody", Some(contoso::PAT))), 200, "storefront"),
        ("access token", quiet(get().bearer_auth(contoso::BEARER)), 200, "storefront"),
        ("PAT as bearer", quiet(get().bearer_auth(contoso::PAT)), 203, "Sign In"),
        ("PAT as it is", quiet(get().header("authorization", contoso::PAT)), 203, "_signin"),
        ("broken base64", quiet(get().header("authorization", "Basic ***")), 203, "_signin"),
        ("expired PAT", with_pat(get(), contoso::EXPIRED_PAT), 401, "AccessCheckException"),
        ("expired access token", quiet(get().bearer_auth(contoso::EXPIRED_BEARER)), 203, "_signin"),
        ("no member", with_pat(get(), contoso::OUTSIDER_PAT), 401, "TF400813"),
        ("no scope", with_pat(get(), contoso::UNSCOPED_PAT), 403, "VssServiceException"),
        ("policy", with_pat(get(), contoso::POLICY_PAT), 403, "VS403463"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{case}");
        if status == 302 {
            let location = response.headers()["location"].to_str().unwrap();
            assert!(location.contains("/_signin"), "{case}: {location}");
        }
        let body = response.text().await.unwrap();
        assert!(body.contains(part) && (part.is_empty() == body.is_empty()), "{case}: {body}");
    }
}

#[tokio::test]
async fn versions_are_asked_for() {
    let (_fake, client) = contoso_by_proxy().await;
    let bare = format!("{REPOSITORIES}/storefront");
    let who = "https://dev.azure.com/contoso/_apis/connectionData?api-version";
    for (url, accept, status, key) in [
        (format!("{bare}?api-version=7.1"), "*/*", 200, None),
        (bare.clone(), "application/json;api-version=7.1", 200, None),
        (bare.clone(), "application/json; api-version=7.2-preview.2", 200, None),
        (bare.clone(), "application/json", 400, Some("VssVersionNotSpecifiedException")),
        (format!("{bare}?api-version=7.2"), "*/*", 400, Some("VssInvalidPreviewVersionException")),
        (format!("{bare}?api-version=9.0"), "*/*", 400, Some("VssVersionOutOfRangeException")),
        (format!("{who}=7.1"), "*/*", 400, Some("VssInvalidPreviewVersionException")),
        (format!("{who}=7.1-preview.1"), "*/*", 200, None),
    ] {
        let request = as_reader(client.get(&url)).header("accept", accept);
        let (got, body) = send_json(request).await;
        assert_eq!((got, body["typeKey"].as_str()), (status, key), "{url} {accept}");
    }
    let (_, old) = send_json(as_reader(client.get(format!("{bare}?api-version=4.1")))).await;
    assert!(old.get("isDisabled").is_none(), "{old}");
    let (_, me) = send_json(as_reader(client.get(format!("{who}=7.1-preview")))).await;
    assert_eq!(me["instanceId"], contoso::ACCOUNT_ID);
}

#[tokio::test]
async fn accounts_are_looked_up_by_id_and_name() {
    let (fake, client) = contoso_by_proxy().await;
    let core = "79134C72-4A58-4B42-976C-04E7115F32BF";
    let id = contoso::ACCOUNT_ID;
    for url in [
        format!(
            "https://dev.azure.com/_apis/resourceAreas/{core}?accountName=Contoso&api-version=5.0-preview.1"
        ),
        format!(
            "https://app.vssps.visualstudio.com/_apis/resourceareas/{core}?hostId={id}&api-version=5.0-preview.1"
        ),
        format!(
            "https://app.vssps.visualstudio.com/_apis/resourceareas/{core}?hostId={id}&api-preview=5.0-preview.1"
        ),
    ] {
        let (status, body) = send_json(client.get(&url)).await;
        assert_eq!((status, &body["locationUrl"]), (200, &"https://dev.azure.com/contoso/".into()), "{url}");
    }
    let unknown = format!(
        "https://dev.azure.com/_apis/resourceAreas/{core}?accountName=nobody&api-version=5.0-preview.1"
    );
    for (way, status, part) in [
        (UnknownAccount::NotFound, 404, "html"),
        (UnknownAccount::Null, 200, "null"),
        (UnknownAccount::EmptyId, 200, "00000000-0000"),
    ] {
        fake.world(|world| world.unknown_account = way);
        let (got, body) = send(client.get(&unknown)).await;
        assert_eq!(got, status, "{way:?}");
        assert!(body.contains(part) && !body.contains("locationUrl"), "{way:?}: {body}");
    }
    let areas = format!("{}tfs/Contoso/_apis/resourceAreas?api-version=7.1", fake.https_base());
    assert_eq!(send_json(as_reader(client.get(areas))).await.1["count"], 0);
}
