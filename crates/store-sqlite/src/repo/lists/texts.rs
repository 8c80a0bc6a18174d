//! Text in names and directories: which jobs may have it.

use rusqlite::types::Value;

use super::entry::Choice;

/// The jobs that may have a text, by the index of their trigrams; none for a text that has no trigram.
pub(super) fn choice(text: &str) -> Option<Choice> {
    expression(text).map(|expression| Choice::of_texts(Value::Text(expression)))
}

/// The trigrams that together cover a text, each as a phrase of its own, in the words of FTS5: every third
/// one, and the last. The rest of the text is looked for in what they find.
fn expression(text: &str) -> Option<String> {
    let characters: Vec<char> = text.chars().collect();
    let last = characters.len().checked_sub(3)?;
    let trigram = |begin: usize| -> String {
        let trigram: String = characters[begin..begin + 3].iter().collect();
        format!("\"{}\"", trigram.replace('"', "\"\""))
    };
    let begins = (0..last).step_by(3).chain([last]);
    Some(begins.map(trigram).collect::<Vec<_>>().join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::expression;

    #[test]
    fn trigrams_cover_a_text_and_quotes_mean_themselves() {
        for (text, expected) in [
            ("mg", None),
            ("MgO", Some("\"MgO\"")),
            ("MgO2", Some("\"MgO\" AND \"gO2\"")),
            ("a\"b OR", Some("\"a\"\"b\" AND \" OR\"")),
            ("₂o₃ 'ß'", Some("\"₂o₃\" AND \" 'ß\" AND \"'ß'\"")),
        ] {
            assert_eq!(expression(text).as_deref(), expected, "{text}");
        }
    }
}
