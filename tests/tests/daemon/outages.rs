//! Forges that are down or limit their users: nothing is lost, little is asked, and it is told.
