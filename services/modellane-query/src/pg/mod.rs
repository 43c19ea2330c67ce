//! The PostgreSQL wire: own accept loop, own login, one session per connection.

mod cancel;
mod connection;
mod parser;
mod reply;
mod settings;
mod startup;

use crate::Query;
use cancel::Cancels;
use connection::Connection;
use modellane_runtime::Shutdown;
use pgwire::api::auth::StartupHandler;
use pgwire::api::cancel::CancelHandler;
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::{ErrorHandler, NoopHandler, PgWireServerHandlers};
use pgwire::tokio::process_socket;
use startup::Startup;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Serves connections until asked to stop.
pub(crate) async fn serve(listener: TcpListener, query: Query, shutdown: Shutdown) {
    let cancels = Arc::new(Cancels::default());
    let places = Arc::new(Semaphore::new(query.config().max_connections));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.triggered() => return,
        };
        match accepted {
            Ok((socket, _)) => {
                // Without a place the socket closes, which clients report as a lost connection.
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    tracing::warn!("postgresql connection refused: query.max_connections reached");
                    continue;
                };
                let (query, cancels, shutdown) = (query.clone(), Arc::clone(&cancels), shutdown.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = converse(socket, &query, cancels) => {}
                        () = shutdown.triggered() => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: wait a little instead of spinning.
                tracing::warn!(%error, "postgresql connection not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(socket: TcpStream, query: &Query, cancels: Arc<Cancels>) {
    let handlers = match Connection::new(query.clone()) {
        Ok(connection) => Handlers {
            startup: Arc::new(Startup::new(Arc::clone(&cancels))),
            connection: Arc::new(connection),
            cancels,
        },
        Err(error) => {
            tracing::error!(%error, "no session for a postgresql connection");
            return;
        }
    };
    if let Err(error) = process_socket(socket, None, handlers).await {
        tracing::debug!(%error, "postgresql connection lost");
    }
}

/// The handlers of one connection.
struct Handlers {
    startup: Arc<Startup>,
    connection: Arc<Connection>,
    cancels: Arc<Cancels>,
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::clone(&self.connection)
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::clone(&self.connection)
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        Arc::clone(&self.startup)
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        Arc::clone(&self.cancels)
    }

    fn error_handler(&self) -> Arc<impl ErrorHandler> {
        Arc::new(NoopHandler)
    }
}

#[cfg(test)]
mod tests;
