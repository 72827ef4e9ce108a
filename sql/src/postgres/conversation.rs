//! One connection's messages, each read within bounds and handed to whoever answers it.
//!
//! pgwire has such a loop; it waits a minute for a login and gathers messages of a gigabyte in memory before anybody can refuse
//! them. Here a login has its time and a message its length, and who sends something else is told so.

use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use datafusion_postgres::pgwire::api::{ClientInfo, ErrorHandler, PgWireConnectionState, PgWireServerHandlers};
use datafusion_postgres::pgwire::error::PgWireError;
use datafusion_postgres::pgwire::messages::PgWireFrontendMessage;
use datafusion_postgres::pgwire::tokio::TlsAcceptor;
use datafusion_postgres::pgwire::tokio::server::{negotiate_tls, process_error, process_message};
use futures::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::login::fatal;
use super::server::Handlers;

/// What a message may hold beside a statement: names, types and values of parameters.
const MESSAGE_EXTRA_BYTES: usize = 1 << 20;

/// How long the rest of what was refused is read and thrown away, so that its sender hears why before the connection breaks.
const DRAIN: Duration = Duration::from_secs(1);

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// From connecting to the end of the login.
    pub(super) login: Duration,
    /// Longest statement.
    pub(super) sql_bytes: usize,
}

/// Serves one connection until its client leaves, breaks off or goes beyond the bounds.
pub(super) async fn converse(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    handlers: Handlers,
    bounds: Bounds,
) -> io::Result<()> {
    let mut login = pin!(tokio::time::sleep(bounds.login));
    let negotiated = tokio::select! {
        () = &mut login => return Ok(()),
        negotiated = negotiate_tls(socket, tls) => negotiated?,
    };
    let Some(mut socket) = negotiated else { return Ok(()) };
    let longest = bounds.sql_bytes.saturating_add(MESSAGE_EXTRA_BYTES);
    loop {
        let (comes_in, is_headed) = (comes_in(socket.state()), is_headed(socket.state()));
        let message = std::future::poll_fn(|context| {
            let polled = socket.poll_next_unpin(context);
            match announced(socket.read_buffer()) {
                // Not whole yet, and it would be too long: do not wait for the rest.
                Some(bytes) if polled.is_pending() && bytes > longest && is_headed => {
                    let refusal =
                        format!("a message of {bytes} bytes was announced, and {longest} are allowed: send less at once");
                    Poll::Ready(Some(Err(fatal("54000", refusal))))
                }
                _ => polled,
            }
        });
        let message = tokio::select! {
            () = &mut login, if comes_in => return Ok(()),
            message = message => message,
        };
        match message {
            None | Some(Err(PgWireError::IoError(_)) | Ok(PgWireFrontendMessage::Terminate(_))) => return Ok(()),
            Some(Ok(message)) => {
                let is_extended = message.is_extended_query();
                let answered = process_message(
                    message,
                    &mut socket,
                    handlers.startup_handler(),
                    handlers.simple_query_handler(),
                    handlers.extended_query_handler(),
                    handlers.copy_handler(),
                    handlers.cancel_handler(),
                );
                if let Err(mut error) = answered.await {
                    handlers.error_handler().on_error(&socket, &mut error);
                    process_error(&mut socket, error, is_extended).await?;
                }
            }
            Some(Err(error)) => {
                let told = match error {
                    PgWireError::UserError(_) => error,
                    other => fatal("08P01", format!("this is not what the protocol says: {other}")),
                };
                // Both ends may fail: the client may be gone already.
                let _ = process_error(&mut socket, told, false).await;
                let _ = tokio::time::timeout(DRAIN, drain(socket.get_mut())).await;
                return Ok(());
            }
        }
    }
}

/// Whether the client has not come in yet.
fn comes_in(state: PgWireConnectionState) -> bool {
    matches!(
        state,
        PgWireConnectionState::AwaitingSslRequest
            | PgWireConnectionState::AwaitingStartup
            | PgWireConnectionState::AuthenticationInProgress
    )
}

/// Whether messages begin with their kind and their length; the very first have another form, and pgwire keeps those short.
fn is_headed(state: PgWireConnectionState) -> bool {
    !matches!(state, PgWireConnectionState::AwaitingSslRequest | PgWireConnectionState::AwaitingStartup)
}

/// How long the message at the beginning of a buffer is, by its own word; `None` while that has not come.
fn announced(buffer: &[u8]) -> Option<usize> {
    let length: [u8; 4] = buffer.get(1..5)?.try_into().ok()?;
    Some(u32::from_be_bytes(length) as usize)
}

async fn drain(socket: &mut (impl AsyncReadExt + Unpin)) -> io::Result<()> {
    let mut scrap = vec![0; 64 << 10];
    while socket.read(&mut scrap).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_follows_the_kind_of_message() {
        assert_eq!(announced(b"Q\0\0\0"), None);
        assert_eq!(announced(b"Q\0\0\x01\x02SELECT"), Some(258));
        assert_eq!(announced(b"Q\xff\xff\xff\xff"), Some(u32::MAX as usize));
    }
}
