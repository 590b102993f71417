//! Repositories and projects: names, ids, lists, and what is not shown.

use super::*;

fn names(list: &Value) -> Vec<&str> {
    list["value"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn names_that_need_escaping_are_found() {
    let (fake, client) = contoso_by_proxy().await;
    for (name, id) in [(contoso::ODD_NAME, contoso::ODD_ID), (contoso::FOREIGN_NAME, contoso::FOREIGN_ID)] {
        let url = format!("{REPOSITORIES}/{}?api-version=7.1", crate::fake::views::encode(name));
        let (status, body) = send_json(as_reader(client.get(&url))).await;
        assert_eq!((status, &body["id"], &body["name"]), (200, &id.into(), &name.into()));
        let recorded = fake.requests().pop().unwrap();
        assert!(url.contains(&recorded.path) && recorded.path.contains('%'), "{}", recorded.path);
    }
}

#[tokio::test]
async fn single_repositories() {
    let (_fake, client) = contoso_by_proxy().await;
    let org = "https://dev.azure.com/contoso";
    let by_id = |id: &str| format!("{org}/_apis/git/repositories/{id}");
    let in_tools = |name: &str| format!("{org}/Tools/_apis/git/repositories/{name}");
    let in_shop = |name: &str| format!("{REPOSITORIES}/{name}");
    for (url, status, key) in [
        (by_id(contoso::STOREFRONT_ID), 200, None),
        (in_shop(contoso::STOREFRONT_ID), 200, None),
        (in_tools("tools"), 200, None),
        (in_tools("storefront"), 404, Some("GitRepositoryNotFoundException")),
        (in_tools(contoso::STOREFRONT_ID), 404, Some("GitRepositoryNotFoundException")),
        (in_shop("legacy-shop"), 404, Some("GitRepositoryNotFoundException")),
        (by_id(contoso::LEGACY_ID), 404, Some("GitRepositoryNotFoundException")),
        (in_shop("vault"), 404, Some("GitRepositoryNotFoundException")),
        (
            format!("{org}/Nowhere/_apis/git/repositories/x"),
            404,
            Some("ProjectDoesNotExistWithNameException"),
        ),
        (
            format!("{org}/{}/_apis/git/repositories/x", contoso::ACCOUNT_ID),
            404,
            Some("ProjectDoesNotExistException"),
        ),
        (by_id("storefront"), 400, Some("ArgumentException")),
    ] {
        let (got, body) = send_json(as_reader(client.get(format!("{url}?api-version=7.1")))).await;
        assert_eq!((got, body["typeKey"].as_str()), (status, key), "{url}");
    }
}

#[tokio::test]
async fn lists_show_disabled_repositories_and_hide_unreadable_ones() {
    let (fake, client) = contoso_by_proxy().await;
    let list = format!("{REPOSITORIES}?api-version=7.1");
    let (_, body) = send_json(as_reader(client.get(&list))).await;
    let expected = ["storefront", "legacy-shop", contoso::ODD_NAME, contoso::FOREIGN_NAME];
    assert_eq!(names(&body), expected);
    assert_eq!(body["count"], 4);
    assert_eq!(body["value"][1]["isDisabled"], true);
    let (_, body) = send_json(with_pat(client.get(&list), contoso::AUDITOR_PAT)).await;
    assert!(names(&body).contains(&"vault"));
    let all = "https://contoso.visualstudio.com/_apis/git/repositories?api-version=7.1";
    let (_, body) = send_json(as_reader(client.get(all))).await;
    assert_eq!(body["count"], 5);
    fake.world(|world| {
        for project in ["Web Shop", "Tools"] {
            world.project_mut(project).readers = Some(Vec::new());
        }
    });
    let (status, body) = send_json(as_reader(client.get(all))).await;
    assert_eq!((status, &body["count"]), (200, &0.into()));
}

#[tokio::test]
async fn the_world_changes_while_it_is_served() {
    let (fake, client) = contoso_by_proxy().await;
    assert_eq!(send(as_reader(client.get(storefront()))).await.0, 200);
    let list = format!("{REPOSITORIES}?api-version=7.1");
    send(as_reader(client.get(&list))).await;
    fake.world(|world| world.repository_mut("storefront").name = "shopfront".to_owned());
    assert_eq!(send(as_reader(client.get(storefront()))).await.0, 404);
    let (_, body) = send_json(as_reader(client.get(&list))).await;
    assert_eq!(names(&body)[0], "shopfront");
}

#[tokio::test]
async fn projects_come_in_pages() {
    let fake = Fake::start(World::large(5, 1)).await;
    let client = direct(&fake);
    let base = format!("{}tfs/large/_apis/projects?api-version=7.1&$top=2", fake.http_base());
    let mut seen = Vec::new();
    let mut url = base.clone();
    loop {
        let response = as_reader(client.get(&url)).send().await.unwrap();
        let token = response.headers().get("x-ms-continuationtoken").map(|v| v.to_str().unwrap().to_owned());
        let page: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        seen.extend(names(&page).into_iter().map(str::to_owned));
        match token {
            Some(token) => url = format!("{base}&continuationToken={token}"),
            None => break,
        }
    }
    assert_eq!(seen, ["project-0", "project-1", "project-2", "project-3", "project-4"]);
    let one = format!("{}tfs/large/_apis/projects/Project-3?api-version=7.1", fake.http_base());
    assert_eq!(send_json(as_reader(client.get(one))).await.1["name"], "project-3");
}

#[tokio::test]
async fn clone_urls_tell_what_they_point_to() {
    let (_fake, client) = contoso_by_proxy().await;
    for (url, id) in [
        ("https://dev.azure.com/contoso/Web%20Shop/_git/storefront/vsts/info", contoso::STOREFRONT_ID),
        ("https://dev.azure.com/contoso/_git/Tools/vsts/info", contoso::TOOLS_REPOSITORY_ID),
        (
            "https://contoso.visualstudio.com/Web%20Shop/Team/_git/storefront/vsts/info",
            contoso::STOREFRONT_ID,
        ),
    ] {
        let (status, body) = send_json(as_reader(client.get(url))).await;
        assert_eq!((status, &body["repository"]["id"]), (200, &id.into()), "{url}");
        assert_eq!(body["collection"]["id"], contoso::ACCOUNT_ID);
    }
}
