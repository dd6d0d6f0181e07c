//! The dialogue of SMTP: a pure state machine, fed a line, that says what to answer and what to do.

/// The largest message, in bytes.
pub(crate) const LARGEST_MESSAGE: usize = 10 * 1024 * 1024;
/// The most recipients of one message.
const MOST_RECIPIENTS: usize = 1000;

/// Who sends to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub from: String,
    pub to: Vec<String>,
}

/// What follows a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Answer, and go on.
    Reply(String),
    /// Answer, and read a message.
    ReadMessage(String),
    /// Answer, and hang up.
    Quit(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    None,
    User,
    Password,
    Plain,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    greeted: bool,
    login: Login,
    envelope: Option<Envelope>,
    /// Whether the answer to the next message is lost, by a fault.
    loses: bool,
}

impl Session {
    /// A connection, and what greets it.
    pub fn open() -> (Session, &'static str) {
        let session = Session { greeted: false, login: Login::None, envelope: None, loses: false };
        (session, "220 sandbox ESMTP ready\r\n")
    }

    /// Takes a line without its end.
    pub fn line(&mut self, line: &str) -> Action {
        match std::mem::replace(&mut self.login, Login::None) {
            Login::None => {}
            _ if line == "*" => return reply("501 5.7.0 Authentication cancelled"),
            Login::User => {
                self.login = Login::Password;
                return reply("334 UGFzc3dvcmQ6");
            }
            Login::Password | Login::Plain => return reply("235 2.7.0 Authenticated"),
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" if !rest.is_empty() => {
                *self = Session { greeted: true, login: Login::None, envelope: None, loses: false };
                Action::Reply(format!(
                    "250-sandbox greets {rest}\r\n250-PIPELINING\r\n250-SIZE {LARGEST_MESSAGE}\r\n250-8BITMIME\r\n\
                     250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-AUTH PLAIN LOGIN\r\n250 HELP\r\n"
                ))
            }
            "HELO" if !rest.is_empty() => {
                *self = Session { greeted: true, login: Login::None, envelope: None, loses: false };
                reply(&format!("250 sandbox greets {rest}"))
            }
            "EHLO" | "HELO" => reply("501 5.5.4 Say who you are, e.g. EHLO client.example"),
            "AUTH" => self.authenticate(rest),
            "MAIL" => self.mail(rest),
            "RCPT" => self.recipient(rest),
            "DATA" => match &self.envelope {
                Some(envelope) if !envelope.to.is_empty() => {
                    Action::ReadMessage("354 End with a line that holds a dot only\r\n".to_owned())
                }
                _ => reply("503 5.5.1 First MAIL and RCPT"),
            },
            "RSET" => {
                self.envelope = None;
                reply("250 2.0.0 Forgotten")
            }
            "NOOP" => reply("250 2.0.0 Fine"),
            "VRFY" => reply("252 2.1.5 Every address is taken"),
            "HELP" => reply("214 2.0.0 EHLO HELO AUTH MAIL RCPT DATA RSET NOOP VRFY QUIT"),
            "QUIT" => Action::Quit("221 2.0.0 Goodbye\r\n".to_owned()),
            "STARTTLS" => reply("502 5.5.1 There is no TLS here: connect without it"),
            _ => reply("500 5.5.2 Unknown command"),
        }
    }

    /// The envelope of the message that was read.
    pub fn take_envelope(&mut self) -> Envelope {
        self.envelope.take().unwrap_or_default()
    }

    /// The next message is taken and its answer lost.
    pub fn lose_answer(&mut self) {
        self.loses = true;
    }

    /// Whether the answer to the message that was read is lost.
    pub fn take_loss(&mut self) -> bool {
        std::mem::take(&mut self.loses)
    }

    fn authenticate(&mut self, rest: &str) -> Action {
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let (login, prompt) = match (mechanism.to_ascii_uppercase().as_str(), initial.is_empty()) {
            ("PLAIN", false) => return reply("235 2.7.0 Authenticated"),
            ("PLAIN", true) => (Login::Plain, "334 "),
            ("LOGIN", true) => (Login::User, "334 VXNlcm5hbWU6"),
            ("LOGIN", false) => (Login::Password, "334 UGFzc3dvcmQ6"),
            _ => return reply("504 5.5.4 Only AUTH PLAIN and AUTH LOGIN"),
        };
        self.login = login;
        reply(prompt)
    }

    fn mail(&mut self, rest: &str) -> Action {
        if !self.greeted {
            return reply("503 5.5.1 First EHLO");
        }
        if self.envelope.is_some() {
            return reply("503 5.5.1 One message at a time: DATA or RSET first");
        }
        let Some((from, parameters)) = address(rest, "FROM:") else {
            return reply("501 5.5.4 Say MAIL FROM:<address>");
        };
        let size = parameters
            .split_ascii_whitespace()
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("SIZE"))
            .and_then(|(_, size)| size.parse::<usize>().ok());
        if size.is_some_and(|size| size > LARGEST_MESSAGE) {
            return reply(&format!("552 5.3.4 A message may have {LARGEST_MESSAGE} bytes"));
        }
        self.envelope = Some(Envelope { from, to: Vec::new() });
        reply("250 2.1.0 Sender taken")
    }

    fn recipient(&mut self, rest: &str) -> Action {
        let Some(envelope) = &mut self.envelope else { return reply("503 5.5.1 First MAIL") };
        match address(rest, "TO:") {
            Some((to, _)) if !to.is_empty() => {
                if envelope.to.len() >= MOST_RECIPIENTS {
                    return reply("452 4.5.3 Too many recipients");
                }
                envelope.to.push(to);
                reply("250 2.1.5 Recipient taken")
            }
            _ => reply("501 5.5.4 Say RCPT TO:<address>"),
        }
    }
}

fn reply(line: &str) -> Action {
    Action::Reply(format!("{line}\r\n"))
}

/// The address in `FROM:<a@b> SIZE=1`, and what follows it.
fn address<'a>(rest: &'a str, keyword: &str) -> Option<(String, &'a str)> {
    let head = rest.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = rest[keyword.len()..].trim_start();
    match rest.strip_prefix('<') {
        Some(bracketed) => bracketed.split_once('>').map(|(address, rest)| (address.trim().to_owned(), rest)),
        None => {
            let (address, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            (!address.is_empty()).then(|| (address.to_owned(), rest))
        }
    }
}

/// A message as it comes in, line by line.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    bytes: Vec<u8>,
    too_large: bool,
}

impl Incoming {
    /// Takes a line with its end; true once it was the last.
    pub fn line(&mut self, line: &[u8]) -> bool {
        if line == b".\r\n" || line == b".\n" {
            return true;
        }
        let unstuffed = line.strip_prefix(b".").unwrap_or(line);
        if self.bytes.len() + unstuffed.len() > LARGEST_MESSAGE {
            self.too_large = true;
            self.bytes = Vec::new();
        }
        if !self.too_large {
            self.bytes.extend_from_slice(unstuffed);
        }
        false
    }

    /// The whole message, or none if it was too large.
    pub fn finish(self) -> Option<Vec<u8>> {
        (!self.too_large).then_some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(session: &mut Session, line: &str) -> String {
        match session.line(line) {
            Action::Reply(text) | Action::ReadMessage(text) | Action::Quit(text) => text[..3].to_owned(),
        }
    }

    #[test]
    fn a_message_is_taken_in_the_order_of_the_protocol() {
        let (mut session, _) = Session::open();
        assert_eq!(code(&mut session, "MAIL FROM:<a@b>"), "503");
        assert_eq!(code(&mut session, "EHLO me"), "250");
        assert_eq!(code(&mut session, "RCPT TO:<c@d>"), "503");
        assert_eq!(code(&mut session, "mail from:<a@b> SIZE=100 BODY=8BITMIME SMTPUTF8"), "250");
        assert_eq!(code(&mut session, "DATA"), "503");
        assert_eq!(code(&mut session, "RCPT TO:<c@d>"), "250");
        assert_eq!(code(&mut session, "RCPT TO: <e@f>"), "250");
        assert!(matches!(session.line("DATA"), Action::ReadMessage(_)));
        let envelope = session.take_envelope();
        assert_eq!(envelope, Envelope { from: "a@b".into(), to: vec!["c@d".into(), "e@f".into()] });
        assert_eq!(code(&mut session, "DATA"), "503");
        assert!(matches!(session.line("QUIT"), Action::Quit(_)));
    }

    #[test]
    fn any_credentials_will_do() {
        let (mut session, _) = Session::open();
        code(&mut session, "EHLO me");
        assert_eq!(code(&mut session, "AUTH PLAIN AGEAYg=="), "235");
        assert_eq!(code(&mut session, "AUTH LOGIN"), "334");
        assert_eq!(code(&mut session, "dXNlcg=="), "334");
        assert_eq!(code(&mut session, "cGFzcw=="), "235");
        assert_eq!(code(&mut session, "AUTH PLAIN"), "334");
        assert_eq!(code(&mut session, "AGEAYg=="), "235");
        assert_eq!(code(&mut session, "AUTH CRAM-MD5"), "504");
    }

    #[test]
    fn a_size_that_is_too_large_is_refused_before_the_message() {
        let (mut session, _) = Session::open();
        code(&mut session, "HELO me");
        assert_eq!(code(&mut session, "MAIL FROM:<a@b> SIZE=99999999999"), "552");
        assert_eq!(code(&mut session, "MAIL FROM:<>"), "250");
        assert_eq!(code(&mut session, "RCPT TO:<>"), "501");
    }

    #[test]
    fn dots_are_unstuffed_and_a_dot_alone_ends() {
        let mut incoming = Incoming::default();
        assert!(!incoming.line(b"..hidden\r\n"));
        assert!(!incoming.line(b". not the end\r\n"));
        assert!(incoming.line(b".\r\n"));
        assert_eq!(incoming.finish().unwrap(), b".hidden\r\n not the end\r\n");
    }

    #[test]
    fn a_message_without_end_keeps_no_memory() {
        let mut incoming = Incoming::default();
        let line = vec![b'x'; 1024 * 1024];
        for _ in 0..11 {
            assert!(!incoming.line(&line));
        }
        assert!(incoming.bytes.is_empty());
        assert_eq!(incoming.finish(), None);
    }
}
