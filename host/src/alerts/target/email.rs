//! People with mailboxes: one mail to all of them, handed to a mail server of the operator's.
//!
//! - Nothing leaves this machine without TLS, the password least of all.
//! - Whatever goes wrong before the server looks at the mail is a matter of time, a wrong password too: it may be put
//!   right. What it refuses of the mail itself is final.
//! - A mailbox that is refused costs the others nothing: they get the mail, and the log says who does not.

mod bounded;
mod letter;

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::reader::Reader;
use super::secrets::Secrets;
use super::{Message, Refusal};
use crate::config::{EmailTarget, MailTls};
use crate::services::http::{Messenger, cause_of, quoted};
use crate::text::printable;
use bounded::Bounded;

/// A mail takes this many times as long as a request: it is as many exchanges, and servers are slow to greet.
const TIMEOUT_FACTOR: u32 = 3;
/// How long a good-bye may take; the mail has been taken by then.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// People with mailboxes, and the server that takes mail for them.
pub(super) struct Email {
    name: String,
    host: String,
    port: u16,
    tls: Option<TlsParameters>,
    mode: MailTls,
    account: Option<(String, SecretString)>,
    secrets: Secrets,
    from: Mailbox,
    to: Vec<Mailbox>,
    limit: Duration,
}

impl Email {
    pub(super) async fn prepare(
        target: &EmailTarget,
        reader: &mut Reader<'_>,
        messenger: Option<&Messenger>,
    ) -> Option<Self> {
        let host = host(target, reader);
        let account = account(target, reader).await;
        let from = mailbox("from", &target.from, reader);
        let to: Vec<_> = target.to.iter().map(|text| mailbox("to", text, reader)).collect();
        let messenger = messenger?;
        let host = host?;
        let tls = match target.tls {
            MailTls::None => None,
            MailTls::Starttls | MailTls::Implicit => {
                let parameters = tls_parameters(&host, messenger.authorities());
                let problem = |error: Error| reader.wrong("tls", error.to_string(), "look at `http.ca_file`");
                Some(parameters.map_err(problem).ok()?)
            }
        };
        let port = target.port.unwrap_or(match target.tls {
            MailTls::Starttls => 587,
            MailTls::Implicit => 465,
            MailTls::None => 25,
        });
        let account = account?;
        let mut secrets = Secrets::default();
        if let Some((username, password)) = &account {
            secrets.account(username, password.expose_secret());
        }
        Some(Self {
            name: reader.name.to_owned(),
            host,
            port,
            tls,
            mode: target.tls,
            account,
            secrets,
            from: from?,
            to: to.into_iter().collect::<Option<_>>()?,
            limit: messenger.timeout() * TIMEOUT_FACTOR,
        })
    }

    /// How long a mail may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    pub(super) async fn send(&self, message: &Message) -> Result<(), Refusal> {
        let letter = letter::write(message, &self.from, &self.to)
            .map_err(|detail| Refusal::Refused { detail })?
            .formatted();
        match timeout(self.limit, self.deliver(&letter)).await {
            Ok(Ok(mut connection)) => {
                // Who is not answered hangs up.
                let _ = timeout(GOOD_BYE, connection.quit()).await;
                Ok(())
            }
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => Err(self.later(&format!("timed out after {} s", self.limit.as_secs_f64()))),
        }
    }

    /// Has the server take a letter for as many as it will.
    async fn deliver(&self, letter: &[u8]) -> Result<AsyncSmtpConnection, Refusal> {
        let mut connection = self.connect().await?;
        self.sign_in(&mut connection).await?;
        let sender = Mail::new(Some(self.from.email.clone()), Vec::new());
        connection
            .command(sender)
            .await
            .map_err(|error| self.of_mail("it does not take mail from here", &error))?;
        let mut refused = Vec::new();
        for mailbox in &self.to {
            let recipient = Rcpt::new(mailbox.email.clone(), Vec::new());
            if let Err(error) = connection.command(recipient).await {
                refused.push(self.of_mail(&format!("no mail for {}", mailbox.email), &error));
            }
        }
        if refused.len() == self.to.len() {
            let later = refused.iter().position(|refusal| matches!(refusal, Refusal::Unavailable { .. }));
            return Err(refused.swap_remove(later.unwrap_or(0)));
        }
        connection.command(Data).await.map_err(|error| self.of_mail("it does not take the mail", &error))?;
        connection.message(letter).await.map_err(|error| self.of_mail("it did not take the mail", &error))?;
        for refusal in &refused {
            tracing::warn!(target = self.name, "{refusal}; the other addresses of this target have it");
        }
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Refusal> {
        let hello = ClientId::default();
        let connection = match self.mode {
            MailTls::Implicit => {
                let server = (self.host.as_str(), self.port);
                AsyncSmtpConnection::connect_tokio1(server, None, &hello, self.tls.clone(), None).await
            }
            MailTls::Starttls | MailTls::None => {
                let stream = Bounded::connect(&self.host, self.port).await;
                let stream = stream.map_err(|error| self.later(&cause_of(&error)))?;
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await
            }
        };
        let mut connection = connection.map_err(|error| self.later(&self.seen(&error)))?;
        if let Some(tls) = self.tls.clone().filter(|_| self.mode == MailTls::Starttls) {
            if !connection.can_starttls() {
                return Err(self.later(
                    "it offers no STARTTLS, without which nothing is sent; look at `port` and `tls`",
                ));
            }
            connection.starttls(tls, &hello).await.map_err(|error| self.later(&self.seen(&error)))?;
        }
        Ok(connection)
    }

    async fn sign_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), Refusal> {
        let Some((username, password)) = &self.account else { return Ok(()) };
        if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            return Err(
                self.later("it offers no way to sign in that is known here (PLAIN, LOGIN); look at `port`")
            );
        }
        let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
        connection.auth(DEFAULT_MECHANISMS, &credentials).await.map(drop).map_err(|error| {
            self.later(&format!(
                "signing in failed, look at `username` and `password`: {}",
                self.seen(&error)
            ))
        })
    }

    /// What an error about the mail itself comes to.
    fn of_mail(&self, what: &str, error: &Error) -> Refusal {
        let detail = format!("{what}: {}", self.seen(error));
        // Who is to sign in is told so only now; the mail is not to blame.
        let signing_in =
            error.status().is_some_and(|code| ["530", "535", "538"].contains(&&*code.to_string()));
        match error.is_permanent() && !signing_in {
            true => Refusal::Refused { detail: format!("{}: {detail}", self.shown()) },
            false => self.later(&detail),
        }
    }

    fn later(&self, detail: &str) -> Refusal {
        Refusal::Unavailable { detail: format!("{}: {detail}", self.shown()), retry_after: None }
    }

    fn shown(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// What an error says, without the password.
    fn seen(&self, error: &Error) -> String {
        let secrets = self.secrets.pieces();
        if let Some(code) = error.status() {
            let said = error.source().map(ToString::to_string).unwrap_or_default();
            return format!("it answers {code} ({})", quoted(said.as_bytes(), &secrets));
        }
        if error.is_response() {
            return "it hung up, or what it answers is not SMTP".to_owned();
        }
        quoted(cause_of(error).as_bytes(), &secrets)
    }
}

/// The server's name, where mail may be sent there as the settings say.
fn host(target: &EmailTarget, reader: &mut Reader<'_>) -> Option<String> {
    let host = target.host.trim();
    if ServerName::try_from(host).is_err() {
        reader.wrong(
            "host",
            "this is no name and no address of a server",
            "give the name alone, and the port as `port`",
        );
        return None;
    }
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if target.tls == MailTls::None && !is_here {
        let help = "leave it out, or use \"implicit\"; \"none\" is for a server on this machine";
        reader.wrong("tls", "mail would be sent to another machine without TLS", help);
        return None;
    }
    Some(host.to_owned())
}

/// Who signs in: `Some(None)` for nobody.
async fn account(target: &EmailTarget, reader: &mut Reader<'_>) -> Option<Option<(String, SecretString)>> {
    match (&target.username, &target.password) {
        (Some(username), Some(password)) => {
            let password = reader.secret("password", password).await?;
            Some(Some((username.clone(), password)))
        }
        (None, None) => Some(None),
        (Some(_), None) => {
            reader.wrong("username", "there is no `password` to it", "add `password`, or leave both out");
            None
        }
        (None, Some(_)) => {
            reader.wrong("password", "there is no `username` to it", "add `username`, or leave both out");
            None
        }
    }
}

fn mailbox(key: &str, text: &str, reader: &mut Reader<'_>) -> Option<Mailbox> {
    let shown = printable(text, 100);
    match text.parse::<Mailbox>() {
        Ok(mailbox) if mailbox.email.to_string().is_ascii() => Some(mailbox),
        Ok(_) => {
            let help = "use an address without; a host's name has such a form that begins with `xn--`";
            reader.wrong(key, format!("`{shown}` has characters that not all mail servers take"), help);
            None
        }
        Err(_) => {
            let help = "write it like `ops@example.org` or `Operations <ops@example.org>`";
            reader.wrong(key, format!("`{shown}` is no mail address"), help);
            None
        }
    }
}

fn tls_parameters(host: &str, authorities: Option<&[u8]>) -> Result<TlsParameters, Error> {
    let mut builder = TlsParametersBuilder::new(host.to_owned());
    if let Some(authorities) = authorities {
        builder = builder.add_root_certificate(Certificate::from_pem(authorities)?);
    }
    builder.build()
}
