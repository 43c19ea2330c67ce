//! The start of a connection: nobody logs in yet, so only loopback is served.

use super::cancel::{CancelSlot, Cancels};
use crate::session::SERVER_VERSION;
use async_trait::async_trait;
use futures::Sink;
use pgwire::api::auth::{
    DefaultServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
};
use pgwire::api::{
    ClientInfo, METADATA_APPLICATION_NAME, METADATA_DATABASE, METADATA_USER, PidSecretKeyGenerator,
    RandomPidSecretKeyGenerator,
};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

static KEYS: LazyLock<RandomPidSecretKeyGenerator> = LazyLock::new(RandomPidSecretKeyGenerator::default);

/// Greets clients.
pub(super) struct Startup {
    cancels: Arc<Cancels>,
}

impl Startup {
    pub(super) fn new(cancels: Arc<Cancels>) -> Self {
        Self { cancels }
    }
}

#[async_trait]
impl StartupHandler for Startup {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let PgWireFrontendMessage::Startup(startup) = message else { return Ok(()) };
        protocol_negotiation(client, &startup).await?;
        // Other parameters, such as a time zone, would change how values are written.
        for name in [METADATA_USER, METADATA_DATABASE, METADATA_APPLICATION_NAME] {
            if let Some(value) = startup.parameters.get(name) {
                client.metadata_mut().insert(name.to_owned(), value.clone());
            }
        }
        let (pid, secret) = KEYS.generate(client);
        client.session_extensions().insert::<CancelSlot>(self.cancels.register(pid, &secret));
        client.set_pid_and_secret_key(pid, secret);
        let mut parameters = DefaultServerParameterProvider::default();
        parameters.server_version = SERVER_VERSION.to_owned();
        parameters.is_superuser = false;
        parameters.default_transaction_read_only = true;
        parameters.time_zone = "UTC".to_owned();
        finish_authentication(client, &parameters).await
    }
}
