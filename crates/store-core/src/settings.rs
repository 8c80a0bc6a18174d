//! How a cluster is reached, without secrets.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Invalid;
use crate::words::check_depth;

/// Connection settings by name, for the program that connects: a path to a key, an agent, the name
/// of an environment variable, a jump host. Secrets are refused, because a store is copied, backed
/// up and shown around; `Debug` shows no value for the same reason.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct ConnectionSettings(Map<String, Value>);

/// Parts of names under which people keep secrets.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "privatekey",
    "accesskey",
    "otp",
];

/// Ends of names that say where a secret is instead of what it is.
const REFERENCES: &[&str] = &["file", "path", "env", "command", "agent"];

impl ConnectionSettings {
    /// Takes a JSON object's members.
    ///
    /// # Errors
    /// [`Invalid`] for a member at any depth whose name looks like that of a secret (`password`,
    /// `token`, …, unless it ends in `_file`, `_path`, `_env`, `_command` or `_agent`), or whose
    /// text is a private key; and for members nested more than 100 deep.
    pub fn new(settings: Map<String, Value>) -> Result<Self, Invalid> {
        check_depth("connection settings", settings.values())?;
        settings.iter().try_for_each(|(name, value)| refuse_secrets(name, value))?;
        Ok(Self(settings))
    }

    /// The member of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All members.
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// Words that name a secret only when they stand alone.
const SECRET_WORDS: &[&str] = &["pass", "key", "pin"];

fn refuse_secrets(name: &str, value: &Value) -> Result<(), Invalid> {
    let refuse = |what: &str| {
        let reason = format!(
            "have a {what} under {name:?}: keep secrets out of the store, and name a key file \
             (identity_file), an agent, or an environment variable (password_env) instead"
        );
        Err(Invalid::new("connection settings", reason))
    };
    match value {
        Value::String(text) if text.contains("PRIVATE KEY-----") => refuse("private key"),
        Value::Null | Value::Bool(_) => Ok(()),
        // Whatever is under the name of a secret is one, at any depth.
        _ if names_secret(name) => refuse("secret"),
        Value::Object(members) => {
            members.iter().try_for_each(|(name, value)| refuse_secrets(name, value))
        }
        Value::Array(items) => items.iter().try_for_each(|item| refuse_secrets(name, item)),
        Value::String(_) | Value::Number(_) => Ok(()),
    }
}

fn names_secret(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let secret = SECRET_NAMES.iter().any(|secret| plain.contains(secret))
        || SECRET_WORDS.contains(&plain.as_str());
    secret && !REFERENCES.iter().any(|end| plain.ends_with(end))
}

impl std::fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConnectionSettings({} hidden)", self.0.len())
    }
}

impl TryFrom<Map<String, Value>> for ConnectionSettings {
    type Error = Invalid;

    fn try_from(settings: Map<String, Value>) -> Result<Self, Invalid> {
        Self::new(settings)
    }
}

impl From<ConnectionSettings> for Map<String, Value> {
    fn from(settings: ConnectionSettings) -> Self {
        settings.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(json: Value) -> Result<ConnectionSettings, Invalid> {
        serde_json::from_value::<Map<_, _>>(json).expect("an object").try_into()
    }

    #[test]
    fn secrets_are_refused_wherever_they_hide() {
        for secret in [
            json!({"password": "x"}),
            json!({"SSH-Password": "x"}),
            json!({"auth": {"api_key": "x"}}),
            json!({"hops": [{"passphrase": "x"}]}),
            json!({"pin_otp": 1234}),
            json!({"password": {"value": "x"}}),
            json!({"credentials_of": {"user": "a", "pass": "b"}}),
            json!({"login": {"user": "a", "pass": "b"}}),
            json!({"key": "-----BEGIN OPENSSH PRIVATE KEY-----\nabc"}),
        ] {
            let refused = settings(secret.clone()).expect_err("a secret");
            assert!(refused.to_string().contains("identity_file"), "{secret}: {refused}");
        }
    }

    #[test]
    fn places_of_secrets_are_welcome_and_not_shown() -> Result<(), Invalid> {
        let kept = settings(json!({
            "identity_file": "~/.ssh/id_ed25519",
            "password_env": "CLUSTER_PASSWORD",
            "token_file": "/run/token",
            "proxy_jump": "login.example.org",
            "use_password": false,
        }))?;
        assert_eq!(format!("{kept:?}"), "ConnectionSettings(5 hidden)");
        assert_eq!(kept.get("proxy_jump"), Some(&json!("login.example.org")));
        Ok(())
    }
}
