//! Where NATS is, and who asks: by credentials, or by an address that carries a user and a password, which the client does not take
//! from it by itself.

use async_nats::{ConnectOptions, ServerAddr};
use clap::Args;
use percent_encoding::percent_decode_str;

use crate::SettingError;

/// Where NATS is, and as whom it is asked.
#[derive(Args, Clone, Debug)]
#[group(id = "nats")]
pub struct NatsSettings {
    /// Where NATS is, for example nats://127.0.0.1:4222; several servers are separated by commas.
    #[arg(
        long,
        env = "NATS_URL",
        default_value = "nats://127.0.0.1:4222",
        value_name = "URL",
        hide_env_values = true
    )]
    pub nats_url: String,
    /// What a .creds file holds, the token of a user and the seed that signs for it, where the servers want them; it counts before
    /// what the address says.
    #[arg(
        long,
        env = "NATS_CREDENTIALS",
        value_name = "TEXT",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub nats_credentials: Option<String>,
}

impl NatsSettings {
    /// The servers, and the options for connecting to them: with the credentials, else with the user and the password, or the token,
    /// of the first address that carries one.
    ///
    /// # Errors
    /// When an address is none, or the credentials are none. The error repeats neither, for they are secret.
    pub fn servers(&self) -> Result<(Vec<ServerAddr>, ConnectOptions), SettingError> {
        let servers: Result<Vec<ServerAddr>, _> =
            self.nats_url.split(',').map(|one| one.trim().parse()).collect();
        let servers = servers.map_err(|error| SettingError {
            name: "NATS_URL".into(),
            fault: format!("is no address of a NATS server ({error})"),
            example: "nats://127.0.0.1:4222".into(),
        })?;
        let options = match self.nats_credentials.as_deref().filter(|text| !text.trim().is_empty()) {
            Some(credentials) => ConnectOptions::with_credentials(credentials).map_err(|_| SettingError {
                name: "NATS_CREDENTIALS".into(),
                fault: "holds no credentials of NATS".into(),
                example: "\"$(cat user.creds)\", as `nsc generate creds` writes it".into(),
            })?,
            None => known_by_address(&servers),
        };
        Ok((servers, options))
    }
}

fn known_by_address(servers: &[ServerAddr]) -> ConnectOptions {
    servers
        .iter()
        .find_map(|server| Some((decoded(server.username()?), server.password().map(decoded))))
        .map_or_else(ConnectOptions::new, |known| match known {
            (user, Some(password)) => ConnectOptions::with_user_and_password(user, password),
            (token, None) => ConnectOptions::with_token(token),
        })
}

/// Signs that an address cannot hold as they are stand in it as `%` and two digits.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn what_an_address_cannot_hold_is_written_in_digits() {
        assert_eq!(decoded("a%40b%2Fc"), "a@b/c");
        assert_eq!(decoded("50%"), "50%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }

    #[derive(clap::Parser, Debug)]
    struct Program {
        #[command(flatten)]
        nats: NatsSettings,
    }

    #[test]
    fn credentials_may_come_by_flag_although_they_begin_as_one() {
        let text = "-----BEGIN NATS USER JWT-----\nsecret";
        let program = Program::try_parse_from(["supercargo", "--nats-credentials", text]).unwrap();
        assert_eq!(program.nats.nats_credentials.as_deref(), Some(text));
    }

    fn at(url: &str, credentials: Option<&str>) -> NatsSettings {
        NatsSettings { nats_url: url.to_owned(), nats_credentials: credentials.map(str::to_owned) }
    }

    #[test]
    fn a_wrong_address_is_told_without_its_password() {
        let error = at("nats://user:secret@[", None).servers().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn wrong_credentials_are_told_without_what_they_hold_and_empty_ones_are_none() {
        let error =
            at("nats://here:4222", Some("-----BEGIN NATS USER JWT-----\nsecret")).servers().unwrap_err();
        assert!(error.to_string().contains("NATS_CREDENTIALS"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(at("nats://here:4222", Some(" \n")).servers().is_ok());
    }
}
