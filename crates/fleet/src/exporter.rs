//! Numbers for monitors over HTTP: each request asks the daemon, and nothing is remembered.
//!
//! **Never here:** an order to the daemon. Nothing is read of a body, nobody is waited for longer than [`CONNECTION_LASTS`], and
//! no more than [`CONNECTIONS_MAX`] are talked to at once. A daemon that does not answer is a number, and no error.

pub mod asking;
pub mod dialect;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use truechimer::metrics::{Names, expose, families, up};

use asking::{Heard, Unheard, hear};

/// So many are talked to at once; others wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 16;

/// From the accept to the last byte. Prometheus gives up after 10 s.
pub const CONNECTION_LASTS: Duration = Duration::from_secs(10);

/// All headers of a request have to come within this.
const HEADERS_TAKE: Duration = Duration::from_secs(5);

/// The bytes of a request that are kept at once, headers included; hyper takes no less.
const REQUEST_MAX: usize = 8192;

/// Where there is no descriptor left for a connection, the next is taken after this.
const BREATH: Duration = Duration::from_secs(1);

const PAGE: &str = "<!doctype html>\n<title>Truechimer</title>\n<h1>Truechimer</h1>\n\
                    <p><a href=\"/metrics\">Metrics</a></p>\n<p><a href=\"/health\">Does the daemon answer?</a></p>\n";

/// Who is asked, and under whose names it is told.
#[derive(Debug)]
pub struct Exporter {
    run_dir: PathBuf,
    names: Vec<Names>,
    /// It was said that the daemon does not answer.
    told: AtomicBool,
}

impl Exporter {
    /// Asks the daemon that has its socket in this folder.
    pub fn new(run_dir: PathBuf, names: Vec<Names>) -> Self {
        Self { run_dir, names, told: AtomicBool::new(false) }
    }

    /// Answers whoever comes, for ever.
    pub async fn serve(self, listener: TcpListener) {
        let router = Router::new()
            .route("/", get(|| async { Html(PAGE) }))
            .route("/metrics", get(metrics))
            .route("/health", get(health))
            .with_state(Arc::new(self));
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let place = Arc::clone(&room).acquire_owned().await.expect("nobody closes it");
            match listener.accept().await {
                Ok((stream, _)) => {
                    let router = router.clone();
                    tokio::spawn(async move {
                        talk(stream, router).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    eprintln!("truechimer-exporter: cannot take a connection: {error}");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    async fn hear(&self) -> Result<Heard, Unheard> {
        let heard = hear(&self.run_dir).await;
        self.say(heard.as_ref().err());
        heard
    }

    /// Says that the daemon does not answer, and that it does again: once each.
    fn say(&self, why: Option<&Unheard>) {
        let before = self.told.swap(why.is_some(), Ordering::Relaxed);
        match why {
            Some(why) if !before => eprintln!("truechimer-exporter: {why}"),
            None if before => eprintln!("truechimer-exporter: the daemon answers again"),
            Some(_) | None => {}
        }
    }
}

/// One request and its answer. Who is too slow or does not speak HTTP is nobody's failure here.
async fn talk(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TAKE)
        .max_buf_size(REQUEST_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let _who_cares = tokio::time::timeout(CONNECTION_LASTS, connection).await;
}

async fn metrics(State(exporter): State<Arc<Exporter>>, headers: HeaderMap) -> impl IntoResponse {
    let names = &exporter.names;
    let told = match exporter.hear().await {
        Ok(Heard { status, sources }) => [up(true, names), families(&status, &sources, names)].concat(),
        Err(_) => up(false, names),
    };
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let dialect = dialect::wanted(accepted);
    ([(CONTENT_TYPE, dialect.media_type())], expose(&told, dialect))
}

async fn health(State(exporter): State<Arc<Exporter>>) -> impl IntoResponse {
    match exporter.hear().await {
        Ok(Heard { status, .. }) => (StatusCode::OK, format!("{}\n", status.status)),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
