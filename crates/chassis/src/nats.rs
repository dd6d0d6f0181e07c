//! Where NATS is, and who asks: an address may carry a user and a password, which the client does not take from it by itself.

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::SettingError;

/// The servers that `NATS_URL` names, separated by commas, and the options for connecting to them: with the user and the password, or
/// the token, of the first that carries one.
///
/// # Errors
/// When one of them is no address. The error names none of them, for they may hold a password.
pub fn nats_servers(url: &str) -> Result<(Vec<ServerAddr>, ConnectOptions), SettingError> {
    let servers: Result<Vec<ServerAddr>, _> = url.split(',').map(|one| one.trim().parse()).collect();
    let servers = servers.map_err(|error| SettingError {
        name: "NATS_URL".into(),
        fault: format!("is no address of a NATS server ({error})"),
        example: "nats://127.0.0.1:4222".into(),
    })?;
    let options = servers
        .iter()
        .find_map(|server| Some((decoded(server.username()?), server.password().map(decoded))))
        .map_or_else(ConnectOptions::new, |known| match known {
            (user, Some(password)) => ConnectOptions::with_user_and_password(user, password),
            (token, None) => ConnectOptions::with_token(token),
        });
    Ok((servers, options))
}

/// Signs that an address cannot hold as they are stand in it as `%` and two digits.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_cannot_hold_is_written_in_digits() {
        assert_eq!(decoded("a%40b%2Fc"), "a@b/c");
        assert_eq!(decoded("50%"), "50%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }

    #[test]
    fn a_wrong_address_is_told_without_its_password() {
        let error = nats_servers("nats://user:secret@[").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
