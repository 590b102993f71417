//! Looking up the base URL of an organisation, to repair a malformed one.

use forgewatch_plugin_api::{Failure, Host, Integration, Reason, Request, Response, tracing};

use crate::options::Options;
use crate::{answer, base_url, client, verdict};
use forgewatch_plugin_support::{Shown, segment, without_user_info};

/// Where a repaired base URL is kept.
const DOMAIN_NAME: &str = "domain_name";

/// Replaces a malformed base URL: looks it up, saves it and gives back what was saved.
pub(crate) async fn repair(host: &Host, integration: &Integration) -> Result<String, Failure> {
    let configured = without_user_info(integration.domain_name());
    let key = integration.key();
    if base_url::is_on_premises(configured, &Options::read(integration.options())) {
        return Err(unresolved(format!(
            "{} has the base URL {}, which is malformed, and a server of your own cannot be looked up: set domain_name \
             of [integrations.{key}] to https://server/tfs/collection/ (allow_insecure_http = true lets http through)",
            Shown(key),
            Shown(configured)
        )));
    }
    let way_out = match configured.starts_with("http://") {
        true => "an https address (allow_insecure_http = true lets http through to a server of your own)",
        false => "https://dev.azure.com/organisation/",
    };
    let found = get_base_url(host, integration).await.map_err(|failure| {
        let detail = format!(
            "{} has the malformed base URL {}, and looking it up failed: {}; or set domain_name of \
             [integrations.{key}] to {way_out}",
            Shown(key),
            Shown(configured),
            failure.detail()
        );
        failure.with_detail(detail)
    })?;
    let saved = host.save_metadata(DOMAIN_NAME, &found).await.map_err(|failure| {
        let detail = format!(
            "{} has the malformed base URL {}, and {}, which was looked up, could not be saved in its place: {}",
            Shown(key),
            Shown(configured),
            Shown(&found),
            failure.detail()
        );
        failure.with_reason(Reason::BASE_URL_UNRESOLVED).with_detail(detail)
    })?;
    tracing::info!(integration = key, base_url = %saved, "the malformed base URL was looked up and replaced");
    Ok(saved)
}

/// Asks the cloud for the base URL of the organisation with the integration's external id.
pub(crate) async fn get_base_url(host: &Host, integration: &Integration) -> Result<String, Failure> {
    let key = integration.key();
    let account = integration.external_id().map_or("", str::trim);
    if account.is_empty() {
        return Err(unresolved(format!(
            "there is no account id to look up: set external_id of [integrations.{key}] to the organisation's id"
        )));
    }
    let options = Options::read(integration.options());
    let account_in_url = segment::encode(account).to_string();
    let url = options.account_lookup_url.replace("{account_id}", &account_in_url);
    let request = Request::get(url)
        .with_authentication(client::authentication(integration))
        .with_header("Accept", "application/json")
        .with_header("Content-Type", "application/json")
        .with_header("X-TFS-FedAuthRedirect", "Suppress")
        .with_header("X-VSS-ForceMsaPassThrough", "true");
    let response = host.http(request).await.map_err(|failure| {
        tracing::warn!(integration = key, %failure, "the base URL could not be looked up");
        let reason = reason_of(&failure);
        failure.with_reason(reason)
    })?;
    read_location(&response, account, &options).inspect_err(|failure| {
        tracing::warn!(
            integration = key,
            status = response.status(),
            %failure,
            "looking the base URL up gave none"
        );
    })
}

fn read_location(response: &Response, account: &str, options: &Options) -> Result<String, Failure> {
    let failure = match verdict::fault(response) {
        Some(fault) if fault.reason == Reason::NOT_FOUND => unresolved(format!(
            "no organisation has the account id {} (HTTP status {}): correct external_id",
            Shown(account),
            response.status()
        )),
        Some(fault) => Failure::new(fault.reason, fault.seen),
        None => match answer::location(response) {
            None => unresolved(format!(
                "the answer for the account id {} holds no location: correct external_id",
                Shown(account)
            )),
            Some(location) => match base_url::usable_location(&location, options) {
                Some(base_url) => return Ok(base_url),
                None => unresolved(format!(
                    "the location {} for the account id {} is no https address of an Azure DevOps organisation: check \
                     account_lookup_url in [providers.vsts.options]",
                    Shown(without_user_info(&location)),
                    Shown(account)
                )),
            },
        },
    };
    let reason = reason_of(&failure);
    Err(failure.with_reason(reason).with_http_status(response.status()))
}

/// A failed look-up's reason: its own where that one names a cause to wait for or to repair first.
fn reason_of(failure: &Failure) -> Reason {
    match failure.reason() {
        _ if failure.is_refused() => Reason::BASE_URL_UNRESOLVED,
        reason @ (Reason::UNAUTHORIZED
        | Reason::IDENTITY_INVALID
        | Reason::RATE_LIMITED
        | Reason::UNREACHABLE
        | Reason::PROVIDER_ERROR) => reason,
        _ => Reason::BASE_URL_UNRESOLVED,
    }
}

fn unresolved(detail: String) -> Failure {
    Failure::new(Reason::BASE_URL_UNRESOLVED, detail)
}
