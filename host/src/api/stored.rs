//! The state as the API reads it: off the threads that answer, and no more of it than a page.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::error::Error;
use crate::state::{State, StateError};

/// What is kept of the past.
#[derive(Clone)]
pub(super) struct Stored(pub(super) Arc<State>);

impl Stored {
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&State) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, Error> {
        let state = Arc::clone(&self.0);
        match spawn_blocking(move || read(&state)).await {
            Ok(answer) => answer.map_err(|error| {
                let _ = Error::internal(&error);
                Error::unavailable("the state cannot be read at the moment; the log says why")
            }),
            Err(error) => Err(Error::internal(&error)),
        }
    }
}
