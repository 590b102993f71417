//! Incidents: what is wrong or was, one cause at a time.

use minijinja::context;

use super::overview::Groups;
use super::render::{Frame, value};
use super::repositories::encoded;
use super::visit::{Answered, Visit};
use crate::state::EventFilter;

/// Entries of the journal that are shown with an incident.
const MOST_EVENTS: usize = 100;

pub(super) async fn list(visit: Visit) -> Answered {
    let query = visit.parameters()?;
    let page = visit.site.view.incidents(&encoded(&query)).await?;
    let are_open = !query.iter().any(|(name, value)| name == "state" && value == "resolved");
    let is_first = !query.iter().any(|(name, _)| name == "cursor");
    let groups = visit.site.view.look(Groups::of).await?;
    let content = context! {
        page => value(&page),
        are_open,
        is_first,
        groups => value(&groups.shown),
        groups_more => groups.more,
        open => groups.open,
    };
    let headline = format!("{} incidents are open", groups.open);
    visit.answer("incidents.html", Frame::of("incidents", "Incidents", headline), content).await
}

pub(super) async fn show(visit: Visit) -> Answered {
    let incident = visit.site.view.incident(&visit.name).await?;
    let filter = EventFilter { fingerprint: Some(incident.fingerprint.clone()), ..EventFilter::default() };
    let events = visit.site.view.events(filter, MOST_EVENTS).await?;
    let headline = incident.headline();
    let content = context! { it => value(&incident), events => value(&events), most => MOST_EVENTS };
    visit.answer("incident.html", Frame::below("incidents", "Incident", headline), content).await
}
