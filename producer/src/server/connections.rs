//! From a connection to the app: HTTP/1.1, plain or in TLS, with the limits of a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{Extensions, HttpService, Protocol};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::refusals::Refusals;
use crate::http::head::AwaitedHead;
use crate::http::observe::observe;
use crate::http::routes;
use crate::http::state::EdgeState;
use crate::shop::{self, Shop};
use crate::tls::Handshake;

/// How long a connection may idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client may take to close its side of a connection that the edge has closed.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) state: Data<EdgeState>,
    pub(super) shop: Option<Data<Shop>>,
    pub(super) address: SocketAddr,
    pub(super) refusals: Arc<Refusals>,
    /// Ends the idle ones.
    pub(super) closing: CancellationToken,
}

impl Connections {
    /// Serves plain HTTP.
    pub(super) fn plain(
        &self,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()> + use<>
    {
        let refusals = self.refusals.clone();
        fn_service(|stream: TcpStream| async move {
            let peer = stream.peer_addr().ok();
            Ok((stream, Protocol::Http1, peer))
        })
        .and_then(self.http())
        .map_err(move |error| refusals.count(&error))
    }

    /// Serves HTTP in TLS. Other connections go on meanwhile, however many shake hands.
    pub(super) fn tls(
        &self,
        handshake: &Handshake,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()> + use<>
    {
        let (refusals, refused) = (self.refusals.clone(), self.refusals.clone());
        let handshake = handshake.clone();
        let http = self.http().map_err(move |error| refusals.count(&error));
        fn_service(move |stream: TcpStream| {
            let (handshake, refused) = (handshake.clone(), refused.clone());
            async move {
                let peer = stream.peer_addr().ok();
                let accepted = handshake.accept(stream).await;
                let stream = accepted.map_err(|error| refused.count_handshake(&error))?;
                Ok((stream, Protocol::Http1, peer))
            }
        })
        .and_then(http)
    }

    fn http<T: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
    ) -> impl ServiceFactory<
        (T, Protocol, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<T> {
        let metrics = self.state.monitor.metrics.clone();
        let head_timeout = self.state.config.head_timeout;
        let (state, shop) = (self.state.clone(), self.shop.clone());
        let app = App::new()
            .app_data(state)
            .wrap(from_fn(observe))
            .configure(routes::configure)
            .configure(|app| {
                if let Some(shop) = shop {
                    shop::configure(app, shop);
                }
            })
            .into_factory()
            .map_err(|error: actix_web::Error| error.error_response());
        let closing = self.closing.clone();
        HttpService::build()
            .graceful_shutdown_signal(move || closing.clone().cancelled_owned())
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(head_timeout)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .local_addr(self.address)
            .on_connect_ext(move |_: &T, connection: &mut Extensions| {
                connection.insert(AwaitedHead::new(metrics.clone(), head_timeout));
            })
            .finish(map_config(app, |()| AppConfig::default()))
    }
}
