//! Issues of trackers, and what trackers tell of them.
//!
//! What writes is never repeated, whatever becomes of the plugin's worker: its failure does not say that nothing was
//! done. A plugin never has the secret of a subscription.

use std::sync::Arc;

use forgewatch_plugin_api::abi::HostObject;
use forgewatch_plugin_api::extensions::issue_events::{self, Call as EventCall};
use forgewatch_plugin_api::extensions::issue_tracking::{self, Call};
use forgewatch_plugin_api::{
    Failure, FoundIssues, Issue, IssueChange, IssueQuery, IssueRef, IssueState, ListRequest, NewIssue,
    NewSubscription, ProjectPage, Subscription, WebhookDelivery, WebhookEvent, WebhookProof,
};

use crate::plugins::{Client, Provider};
use crate::services::{HookSecret, call};

/// Headers that are for no plugin, though it may name them.
const NOT_FOR_PLUGINS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// What a plugin gets to see of a delivery: the body, and the headers that it names, but for what proves the delivery and
/// what somebody on the way may be told by.
pub fn delivery_for_plugin<'n, 'v>(
    proof: &WebhookProof,
    headers: impl Iterator<Item = (&'n str, &'v str)>,
    body: &[u8],
) -> WebhookDelivery {
    let is_for_plugin = |name: &str| {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        proof.headers().iter().any(|named| is(named))
            && !is(proof.header())
            && !NOT_FOR_PLUGINS.into_iter().any(is)
    };
    headers
        .filter(|(name, _)| is_for_plugin(name))
        .fold(WebhookDelivery::new(body), |delivery, (name, value)| delivery.with_header(name, value))
}

impl Client {
    /// Looks for issues. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or that it does not offer this; so it is with all that follow.
    pub async fn search_issues(&self, host: HostObject, query: &IssueQuery) -> Result<FoundIssues, Failure> {
        let answer = self.track(host, &Call::SearchIssues(query.clone())).await?;
        issue_tracking::decode_found(&answer, query)
    }

    /// Reads an issue. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`Client::search_issues`].
    pub async fn get_issue(&self, host: HostObject, issue: &IssueRef) -> Result<Issue, Failure> {
        issue_tracking::decode_issue(&self.track(host, &Call::GetIssue(issue.clone())).await?)
    }

    /// Makes an issue. Dropped before its end, it may have been made.
    ///
    /// # Errors
    ///
    /// As for [`Client::search_issues`].
    pub async fn create_issue(&self, host: HostObject, issue: &NewIssue) -> Result<Issue, Failure> {
        issue_tracking::decode_issue(&self.track(host, &Call::CreateIssue(issue.clone())).await?)
    }

    /// Makes all changes of an issue, or none. Dropped before its end, they may have been made.
    ///
    /// # Errors
    ///
    /// As for [`Client::search_issues`].
    pub async fn update_issue(
        &self,
        host: HostObject,
        issue: &IssueRef,
        change: &IssueChange,
    ) -> Result<Issue, Failure> {
        let call = Call::UpdateIssue { issue: issue.clone(), change: change.clone() };
        issue_tracking::decode_issue(&self.track(host, &call).await?)
    }

    /// The states that issues of a kind can have. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`Client::search_issues`].
    pub async fn issue_states(
        &self,
        host: HostObject,
        project: &str,
        kind: &str,
    ) -> Result<Vec<IssueState>, Failure> {
        let call = Call::IssueStates { project: project.to_owned(), kind: kind.to_owned() };
        issue_tracking::decode_states(&self.track(host, &call).await?)
    }

    /// One page of the projects that can have issues. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`Client::search_issues`].
    pub async fn list_projects(
        &self,
        host: HostObject,
        request: &ListRequest,
    ) -> Result<ProjectPage, Failure> {
        issue_tracking::decode_projects(&self.track(host, &Call::ListProjects(request.clone())).await?)
    }

    /// Has the tracker deliver what becomes of issues, of one project or of all, to `url`, each time with the secret.
    /// Dropped before its end, it may have been done.
    ///
    /// # Errors
    ///
    /// As for [`Client::search_issues`].
    pub async fn subscribe(
        &self,
        host: HostObject,
        url: &str,
        project: Option<&str>,
        secret: Arc<HookSecret>,
    ) -> Result<Subscription, Failure> {
        let mut wanted = NewSubscription::new(url, HookSecret::PLACEHOLDER);
        if let Some(project) = project {
            wanted = wanted.with_project(project);
        }
        let answer = call::noted(async |record| {
            record.lend(Some(secret));
            let answer = self.follow(host, &EventCall::Subscribe(wanted)).await;
            record.lend(None);
            answer
        });
        issue_events::decode_subscription(&answer.await?)
    }

    /// How a subscription does. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`Client::search_issues`].
    pub async fn get_subscription(&self, host: HostObject, id: &str) -> Result<Subscription, Failure> {
        let call = EventCall::GetSubscription { id: id.to_owned() };
        issue_events::decode_subscription(&self.follow(host, &call).await?)
    }

    /// Ends a subscription. Dropped before its end, that may have been done.
    ///
    /// # Errors
    ///
    /// As for [`Client::search_issues`].
    pub async fn unsubscribe(&self, host: HostObject, id: &str) -> Result<(), Failure> {
        self.follow(host, &EventCall::Unsubscribe { id: id.to_owned() }).await.map(drop)
    }

    async fn track(&self, host: HostObject, call: &Call) -> Result<Vec<u8>, Failure> {
        self.call_extension(host, issue_tracking::NAME, &issue_tracking::encode_call(call)).await
    }

    async fn follow(&self, host: HostObject, call: &EventCall) -> Result<Vec<u8>, Failure> {
        self.call_extension(host, issue_events::NAME, &issue_events::encode_call(call)).await
    }
}

impl Provider {
    /// Where deliveries have what proves them. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or that it does not offer this.
    pub async fn webhook_proof(&self, host: HostObject) -> Result<WebhookProof, Failure> {
        issue_events::decode_proof(&self.follow(host, &EventCall::WebhookProof).await?)
    }

    /// What a delivery says, which is worth nothing before its proof was compared. Nobody is asked for it. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, among them that it is no delivery, or that it does not offer this.
    pub async fn parse_webhook(
        &self,
        host: HostObject,
        delivery: &WebhookDelivery,
    ) -> Result<WebhookEvent, Failure> {
        issue_events::decode_event(&self.follow(host, &EventCall::ParseWebhook(delivery.clone())).await?)
    }

    async fn follow(&self, host: HostObject, call: &EventCall) -> Result<Vec<u8>, Failure> {
        self.call_extension(host, issue_events::NAME, &issue_events::encode_call(call)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_gets_the_headers_that_it_names_and_neither_the_proof_nor_credentials() {
        let sent = [
            ("x-event", "push"),
            ("X-Shared-Secret", "proof"),
            ("authorization", "Bearer of-a-proxy"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "10.0.0.1"),
        ];
        let proof = WebhookProof::secret_in_header("x-shared-secret");
        let shown = |proof: &WebhookProof| {
            let delivery = delivery_for_plugin(proof, sent.into_iter(), b"body");
            assert_eq!(delivery.body(), b"body");
            sent.map(|(name, _)| delivery.header(name).is_some())
        };
        assert_eq!(shown(&proof), [false; 5]);
        let named = proof.with_headers(["X-Event", "x-shared-secret", "Authorization", "cookie"]);
        assert_eq!(shown(&named), [true, false, false, false, false]);
    }
}
