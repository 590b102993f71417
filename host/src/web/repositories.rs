//! The list of repositories, searched and filtered on the server, and each of them.

use minijinja::context;
use url::form_urlencoded::Serializer;

use super::headers::see_other;
use super::history::{Now, Picture};
use super::render::{self, Frame, value};
use super::visit::{Answered, Visit};
use super::words::REASONS;
use crate::daemon::Ledger;
use crate::state::{EventFilter, EventKind};
use crate::verdict::Moment;

/// Repositories of one page, unless the query says otherwise.
const PAGE: &str = "50";
/// Choices that a list of them has; of more, one is typed.
const MOST_CHOICES: usize = 100;
/// Changes that the picture shows, the latest ones.
const MOST_CHANGES: usize = 200;

/// Names to choose from.
pub(super) struct Choices {
    pub(super) integrations: Vec<String>,
    providers: Vec<String>,
    discoveries: Vec<String>,
}

pub(super) async fn list(visit: Visit) -> Answered {
    let mut query = visit.parameters()?;
    let choices = visit.site.view.look(Choices::of).await?;
    let shown = query.clone();
    if !query.iter().any(|(name, _)| name == "limit") {
        query.push(("limit".to_owned(), PAGE.to_owned()));
    }
    let page = visit.site.view.repositories(&encoded(&query)).await?;
    let said = |name: &str| shown.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
    let labels: Vec<_> = shown.iter().filter(|(name, _)| name == "label").map(|(_, label)| label).collect();
    let rest: Vec<_> = shown.iter().filter(|(name, _)| name != "cursor").cloned().collect();
    let are_filtered = rest.iter().any(|(name, _)| name != "sort" && name != "limit");
    let content = context! {
        page => value(&page),
        first => encoded(&rest),
        is_first => said("cursor").is_empty(),
        are_filtered,
        q => said("q"), verdict_chosen => said("verdict"), reason_chosen => said("reason"), integration => said("integration"),
        provider => said("provider"), discovery => said("discovery"), stale => said("stale"), sort => said("sort"),
        incident => said("incident"), limit => said("limit"),
        labels => value(labels),
        reasons => value(REASONS),
        integrations => choices.integrations, providers => choices.providers, discoveries => choices.discoveries,
    };
    let headline = format!("{} repositories fit", page.total);
    visit.answer("repositories.html", Frame::of("repositories", "Repositories", headline), content).await
}

pub(super) async fn show(visit: Visit) -> Answered {
    let name = visit.name.clone();
    let repository = visit.site.view.repository(&name)?;
    let wanted = name.clone();
    let now = visit.site.view.look(move |ledger| Now::of(ledger, &wanted)).await?;
    let filter = EventFilter {
        kind: Some(EventKind::Generic),
        repository: Some(name.clone()),
        ..EventFilter::default()
    };
    let events = visit.site.view.events(filter, MOST_CHANGES).await?;
    let picture = Picture::of(&events, now, Moment::now());
    let is_asked = visit.parameters()?.iter().any(|(name, _)| name == "asked");
    let content = context! { it => value(repository), picture => value(&picture), is_asked };
    let headline = format!("{name}: {}", picture.headline());
    visit.answer("repository.html", Frame::below("repositories", &name, headline), content).await
}

/// "Check now".
pub(super) async fn check(visit: Visit) -> Answered {
    visit.has_to_operate()?;
    visit.site.view.check(visit.name.clone()).await?;
    Ok(see_other(&format!("/repositories/{}?asked=1", render::path(&visit.name))))
}

pub(super) fn encoded(pairs: &[(String, String)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Choices {
    pub(super) fn of(ledger: &Ledger) -> Self {
        let world = &ledger.world;
        let few = |names: &mut dyn Iterator<Item = &String>| {
            let names: Vec<String> = names.take(MOST_CHOICES + 1).cloned().collect();
            if names.len() > MOST_CHOICES { Vec::new() } else { names }
        };
        Self {
            integrations: few(&mut world.integrations.keys()),
            providers: few(&mut world.providers.keys()),
            discoveries: few(&mut world.discoveries.keys()),
        }
    }
}
