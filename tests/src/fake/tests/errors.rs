//! The catalogue of errors, rule by rule.

use hyper::Method;

use super::*;
use crate::fake::{Answer, Match};

#[tokio::test]
async fn every_row_of_the_catalogue_reaches_the_client() {
    let fake = Fake::start(World::contoso()).await;
    let client = proxied(&fake);
    for (row, answer) in Answer::catalogue() {
        fake.fault(Match::any().once(), answer);
        let outcome =
            as_reader(client.get(storefront())).send().await.map(|response| response.status().as_u16());
        let number = row[1..].split(' ').next().unwrap();
        let expected = match number {
            "1" | "2" | "3" => Some(401),
            "4" => Some(203),
            "5" => Some(302),
            "6" | "7" | "8" => Some(403),
            "9" | "10" | "11" | "12" => Some(404),
            "13" | "14" | "15" | "16" => Some(400),
            "17" | "21" => row.split(' ').nth(1).unwrap().parse().ok(),
            "18" => Some(410),
            "19" => Some(429),
            "20" => Some(503),
            "22" | "23" => Some(200),
            _ => None,
        };
        assert_eq!(outcome.ok(), expected, "{row}");
    }
    assert_eq!(send(as_reader(client.get(storefront()))).await.0, 200);
}

#[tokio::test]
async fn codes_and_type_keys_are_exact() {
    let (fake, client) = contoso_by_proxy().await;
    for (answer, code, key) in [
        (Answer::e2(), "TF400813", "UnauthorizedRequestException"),
        (Answer::e3(), "", "AccessCheckException"),
        (Answer::e6(), "VS403463", "VssServiceException"),
        (Answer::e7(), "TF401027", "GitNeedsPermissionException"),
        (Answer::e9("x"), "TF401019", "GitRepositoryNotFoundException"),
        (Answer::e10("x"), "TF200016", "ProjectDoesNotExistWithNameException"),
        (Answer::e11("x"), "VS800075", "ProjectDoesNotExistException"),
        (Answer::e13(), "", "VssInvalidPreviewVersionException"),
        (Answer::e19(), "TF400733", "RequestBlockedException"),
    ] {
        fake.fault(Match::any().once(), answer);
        let (_, body) = send_json(as_reader(client.get(storefront()))).await;
        assert_eq!(body["typeKey"], key);
        assert!(body["message"].as_str().unwrap().starts_with(code), "{body}");
        assert!(body["typeName"].as_str().unwrap().contains(&format!(".{key}, ")), "{body}");
    }
}

#[tokio::test]
async fn rules_choose_by_host_path_method_and_count() {
    let (fake, client) = contoso_by_proxy().await;
    let status = async || send(as_reader(client.get(storefront()))).await.0;
    for miss in [
        Match::any().host("contoso.visualstudio.com"),
        Match::any().path_prefix("/other"),
        Match::any().path_contains("/projects"),
        Match::any().method(Method::POST),
        Match::any().method(Method::CONNECT),
        Match::any().times(0),
    ] {
        fake.fault(miss.clone(), Answer::status(418));
        assert_eq!(status().await, 200, "{miss:?}");
    }
    fake.fault(
        Match::any()
            .host("DEV.azure.com")
            .path_prefix("/contoso/web shop")
            .path_contains("StoreFront")
            .times(2),
        Answer::status(418),
    );
    assert_eq!([status().await, status().await, status().await], [418, 418, 200]);
    fake.fault(Match::any(), Answer::status(418));
    assert_eq!([status().await, status().await], [418, 418]);
    fake.clear_faults();
    assert_eq!(status().await, 200);
    assert_eq!(fake.counters().faulted(), 4);
}

#[tokio::test]
async fn the_worlds_answer_can_carry_limits() {
    let (fake, client) = contoso_by_proxy().await;
    fake.fault(Match::any().once(), Answer::e23(37).rate_limit(0, 1_700_000_000));
    let response = as_reader(client.get(storefront())).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["retry-after"], "37");
    assert_eq!(response.headers()["x-ratelimit-remaining"], "0");
    assert!(response.text().await.unwrap().contains(contoso::STOREFRONT_ID));
}

#[tokio::test]
async fn unusable_successes_start_like_successes() {
    let (fake, client) = contoso_by_proxy().await;
    for (case, answer) in Answer::unusable_successes() {
        fake.fault(Match::any().once(), answer);
        let response = as_reader(client.get(storefront())).send().await.unwrap();
        assert!(response.status().is_success(), "{case}");
        let body = response.bytes().await.unwrap_or_default();
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_ne!(json["id"], contoso::STOREFRONT_ID, "{case}");
    }
}
