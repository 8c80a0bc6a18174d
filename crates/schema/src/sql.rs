//! A small SQL tokenizer: enough to compare definitions, without understanding them.

/// One token of SQL; comments and white space are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A keyword or an unquoted identifier, in lower case.
    Word(String),
    /// The content of a quoted identifier, as written.
    Quoted(String),
    /// A string or blob literal with its quotes.
    Literal(String),
    /// A number, in lower case.
    Number(String),
    /// An operator or a punctuation mark.
    Symbol(&'static str),
    /// A character that is no part of SQL.
    Other(char),
}

/// The longer ones first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 28] = [
    "->>", "->", "||", "<<", ">>", "<=", ">=", "<>", "==", "!=", "(", ")", ",", ";", ".", "=", "<",
    ">", "+", "-", "*", "/", "%", "&", "|", "~", "?", ":",
];

/// Quoted, these name a column; unquoted, they are values.
const VALUES: [&str; 6] =
    ["current_date", "current_time", "current_timestamp", "false", "null", "true"];

/// Words that are no name of a function; the list only makes the rendered text easier to read.
const BEFORE_PARENTHESES: [&str; 16] = [
    "and", "as", "between", "check", "else", "exists", "from", "in", "not", "on", "or", "select",
    "then", "values", "when", "where",
];

impl Token {
    /// Whether this is the unquoted word, given in lower case.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }

    /// Whether this is the operator or punctuation mark.
    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self, Self::Symbol(own) if *own == symbol)
    }

    /// The identifier that this stands for, in lower case: SQLite does not tell the cases apart.
    pub(crate) fn identifier(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word.clone()),
            Self::Quoted(content) => Some(content.to_ascii_lowercase()),
            // SQLite takes a string for an identifier where only an identifier may be.
            Self::Literal(literal) => Some(unquote(literal, '\'').to_ascii_lowercase()),
            _ => None,
        }
    }

    /// Whether parentheses after it would be those of a function or a table.
    fn is_name(&self) -> bool {
        matches!(self, Self::Word(word) if !BEFORE_PARENTHESES.contains(&word.as_str()))
    }

    fn render(&self) -> String {
        match self {
            Self::Word(text) | Self::Literal(text) | Self::Number(text) => text.clone(),
            Self::Quoted(content) if is_plain(content) => content.clone(),
            // Upper case stays quoted: `"A"` may be a string that SQLite took for one.
            Self::Quoted(content) => format!("\"{}\"", content.replace('"', "\"\"")),
            Self::Symbol(symbol) => (*symbol).to_owned(),
            Self::Other(other) => other.to_string(),
        }
    }
}

/// The tokens of a text. An unfinished string or comment reaches to the end of the text.
pub(crate) fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (token, length) = next(rest, first);
        tokens.extend(token);
        rest = &rest[length..];
    }
    tokens
}

/// The text with comments dropped, white space folded, words in lower case and plain identifiers
/// unquoted.
pub(crate) fn normalise(sql: &str) -> String {
    render(&tokens(sql))
}

/// Tokens as one line of SQL.
pub(crate) fn render(tokens: &[Token]) -> String {
    let mut text = String::new();
    let mut previous: Option<&Token> = None;
    for token in tokens {
        let close = matches!(
            (previous, token),
            (None | Some(Token::Symbol("(" | ".")), _)
                | (_, Token::Symbol(")" | "," | ";" | "."))
                | (Some(Token::Quoted(_)), Token::Symbol("("))
        ) || token.is_symbol("(") && previous.is_some_and(Token::is_name);
        if !close {
            text.push(' ');
        }
        text.push_str(&token.render());
        previous = Some(token);
    }
    text
}

/// The first token of a text that is not empty, and how many bytes it takes.
fn next(rest: &str, first: char) -> (Option<Token>, usize) {
    let quoted = |quote: char| {
        let length = quoted_length(rest, quote);
        (&rest[..length], length)
    };
    match first {
        _ if first.is_ascii_whitespace() => (None, 1),
        '-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => {
            (None, rest[2..].find("*/").map_or(rest.len(), |end| end + 4))
        }
        '\'' => {
            let (literal, length) = quoted('\'');
            (Some(Token::Literal(literal.to_owned())), length)
        }
        '"' | '`' => {
            let (identifier, length) = quoted(first);
            (Some(Token::Quoted(unquote(identifier, first))), length)
        }
        '[' => {
            let length = rest.find(']').map_or(rest.len(), |end| end + 1);
            let content = rest[1..length].trim_end_matches(']');
            (Some(Token::Quoted(content.to_owned())), length)
        }
        'x' | 'X' if rest[1..].starts_with('\'') => {
            let length = 1 + quoted_length(&rest[1..], '\'');
            (Some(Token::Literal(rest[..length].to_ascii_lowercase())), length)
        }
        _ if is_word_start(first) => {
            let length = rest.find(|one| !is_word_part(one)).unwrap_or(rest.len());
            (Some(Token::Word(rest[..length].to_ascii_lowercase())), length)
        }
        _ if first.is_ascii_digit() || is_fraction(rest) => {
            let length = number_length(rest);
            (Some(Token::Number(rest[..length].to_ascii_lowercase())), length)
        }
        _ => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => (Some(Token::Symbol(symbol)), symbol.len()),
            None => (Some(Token::Other(first)), first.len_utf8()),
        },
    }
}

fn is_word_start(one: char) -> bool {
    one.is_ascii_alphabetic() || one == '_' || !one.is_ascii()
}

fn is_word_part(one: char) -> bool {
    is_word_start(one) || one.is_ascii_digit() || one == '$'
}

fn is_fraction(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|after| after.starts_with(|one: char| one.is_ascii_digit()))
}

fn is_plain(identifier: &str) -> bool {
    identifier.starts_with(|one: char| one.is_ascii_lowercase() || one == '_')
        && identifier
            .chars()
            .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
        && !VALUES.contains(&identifier)
}

fn number_length(rest: &str) -> usize {
    let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
    let mut previous = '0';
    for (at, one) in rest.char_indices() {
        let signed_exponent =
            matches!(one, '+' | '-') && matches!(previous, 'e' | 'E') && !hexadecimal;
        if !(one.is_ascii_alphanumeric() || matches!(one, '.' | '_') || signed_exponent) {
            return at;
        }
        previous = one;
    }
    rest.len()
}

/// The length of a quoted text at the start of `rest`; a doubled quote stands for itself.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, one)) = characters.next() {
        if one == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    rest.len()
}

fn unquote(quoted: &str, quote: char) -> String {
    let content = quoted.strip_prefix(quote).unwrap_or(quoted);
    let content = content.strip_suffix(quote).unwrap_or(content);
    content.replace(&format!("{quote}{quote}"), &quote.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_comments_case_and_quotes_of_plain_names_are_folded() {
        let plain = "select a.b, count(*) from jobs where c <> 'It''s' and d >= 1.5e-3";
        for same in [
            "SELECT a.b,count( * )FROM jobs WHERE c<>'It''s' AND d>=1.5E-3",
            "select /* ; 'b */ a . b , count(*) -- 'c\n from jobs where c <> 'It''s' and d >= 1.5e-3",
            "SELECT \"a\".[b], count(*) FROM `jobs` WHERE \"c\" <> 'It''s' AND [d] >= 1.5e-3 --",
        ] {
            assert_eq!(normalise(same), plain);
        }
    }

    #[test]
    fn what_has_a_meaning_is_kept() {
        for (one, other) in [
            ("'a'", "'A'"),
            ("'a b'", "'a  b'"),
            ("'--'", "''"),
            ("'a'", "a"),
            ("\"A\"", "a"),
            ("\"null\"", "null"),
            ("\"a b\"", "a b"),
            ("x'00'", "x '00'"),
            ("a.b", "a b"),
            ("1.5", "15"),
            ("a <= b", "a < b"),
            ("a - -b", "a -- b"),
        ] {
            assert_ne!(normalise(one), normalise(other), "{one} and {other}");
        }
    }

    #[test]
    fn an_unfinished_text_is_no_reason_to_panic() {
        for sql in
            ["'a", "\"", "[", "[a", "/*", "--", "x'", "é'é", "`é", "0x", "1e+", "\u{0}", "[é"]
        {
            let _ = normalise(sql);
        }
        assert_eq!(normalise("a 'b"), "a 'b");
        assert_eq!(
            tokens("[]a]"),
            [Token::Quoted(String::new()), Token::Word("a".into()), Token::Other(']')]
        );
    }
}
