use std::future::poll_fn;
use std::task::Poll;

use forgewatch_plugin_api::abi::abi_stable::sabi_trait::TD_Opaque;
use forgewatch_plugin_api::abi::{self, HostObject, HostServices_TO, PluginModule, ProviderObject};
use forgewatch_plugin_api::prelude::*;
use forgewatch_plugin_api::testing::{FakeHost, block_on};

#[derive(Default)]
struct Panicking;

struct PanicsOnDrop(bool);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        assert!(!self.0, "panic in drop");
    }
}

impl Provider for Panicking {
    type Client = PanicsOnDrop;

    fn parse_repository_url(&self, url: &str, _: &UrlContext) -> Result<RepositoryUrl, UrlError> {
        panic!("panic over {url}")
    }

    async fn get_base_url(&self, _: &Host, _: &Integration) -> Result<String, Failure> {
        panic!("panic in get_base_url")
    }

    async fn get_client(&self, _: Host, integration: Integration) -> Result<PanicsOnDrop, Failure> {
        Ok(PanicsOnDrop(integration.key() == "drop"))
    }

    async fn has_repo_access(&self, _: &PanicsOnDrop, repository: &Repository) -> Result<Access, Failure> {
        let _held = PanicsOnDrop(repository.name().ends_with("drop"));
        if repository.name().starts_with("pending") {
            std::future::pending::<()>().await;
        }
        if repository.name() == "future" {
            let mut polled = false;
            poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            std::panic::panic_any(4711);
        }
        Ok(Access::granted())
    }

    fn query_extension(&self, _: Option<&PanicsOnDrop>, _: &str) -> Option<u32> {
        panic!("panic in query_extension")
    }
}

fn services() -> HostObject {
    HostServices_TO::from_value(FakeHost::new(), TD_Opaque)
}

fn provider() -> ProviderObject {
    let header = abi::header(abi::root_module::<Panicking>);
    let module: PluginModule = header.init_root_module().unwrap();
    module.create()(services()).unwrap()
}

#[test]
fn a_panic_in_a_synchronous_call_is_a_failure() {
    let failure = provider().parse_repository_url("x".into(), &UrlContext::default()).unwrap_err();
    assert_eq!(failure.reason(), Reason::PLUGIN_FAILED);
    assert!(failure.detail().contains("panic over x"), "{failure}");
    assert!(failure.detail().contains("containment.rs"), "{failure}");
    assert!(provider().query_extension("any".into()).is_none());
}

#[test]
fn a_panic_in_a_future_is_a_failure() {
    let provider = provider();
    let integration = Integration::new("acme", "https://a/");
    let failure = block_on(provider.get_base_url(services(), &integration)).unwrap_err();
    assert!(failure.detail().contains("panic in get_base_url"), "{failure}");

    let client = block_on(provider.get_client(services(), integration)).unwrap();
    for (name, text) in [("future", "no message"), ("drop", "panic in drop")] {
        let failure = block_on(client.has_repo_access(&Repository::new(name))).unwrap_err();
        assert!(failure.detail().contains(text), "{failure}");
    }
    assert!(block_on(client.has_repo_access(&Repository::new("fine"))).is_ok());
    assert!(client.query_extension("any".into()).is_none());
}

#[test]
fn a_panic_in_a_drop_stays_inside() {
    let provider = provider();
    let client = block_on(provider.get_client(services(), Integration::new("drop", "https://a/"))).unwrap();
    let repository = Repository::new("pending-drop");
    let mut cancelled = Box::pin(client.has_repo_access(&repository));
    block_on(poll_fn(|context| {
        assert!(cancelled.as_mut().poll(context).is_pending());
        Poll::Ready(())
    }));
    drop(cancelled);
    drop(client);
}

#[test]
fn an_extension_that_is_not_offered_says_so() {
    let answer = block_on(provider().call_extension(services(), "nothing".into(), Vec::new().into()));
    assert_eq!(answer.unwrap_err(), Failure::unsupported("nothing"));
}
