//! What SQLite's pragmas do not tell, found in the text of definitions.

use std::collections::{BTreeMap, BTreeSet};

use crate::sql::{Token, render, tokens};

/// What only the text of a table tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TableText {
    /// The CHECK constraints, sorted.
    pub(super) checks: Vec<String>,
    /// The expressions of generated columns.
    pub(super) generated: BTreeMap<String, String>,
    /// The foreign keys that are INITIALLY DEFERRED, as their columns and parent.
    pub(super) deferred: BTreeSet<(Vec<String>, String)>,
    /// The ON CONFLICT clauses, sorted.
    pub(super) conflict_clauses: Vec<String>,
}

/// What only the text of an index tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IndexText {
    /// The columns and expressions without collation and direction.
    pub(super) columns: Vec<String>,
    /// The WHERE of a partial index.
    pub(super) predicate: Option<String>,
}

/// Reads a `CREATE TABLE`; `None` if it is none.
pub(super) fn table(sql: &str) -> Option<TableText> {
    let tokens = tokens(sql);
    let open = tokens.iter().position(|token| token.is_symbol("("))?;
    let (body, _) = group(&tokens, open)?;
    let mut text = TableText::default();
    for item in split_at_commas(body) {
        let first = item.first()?;
        let is_table_constraint = ["constraint", "primary", "unique", "check", "foreign"]
            .iter()
            .any(|word| first.is_word(word));
        if is_table_constraint {
            constraints(None, item, &mut text)?;
        } else {
            constraints(Some(&first.identifier()?), &item[1..], &mut text)?;
        }
    }
    text.checks.sort();
    text.conflict_clauses.sort();
    Some(text)
}

/// Reads a `CREATE INDEX`; `None` if it is none.
pub(super) fn index(sql: &str) -> Option<IndexText> {
    let tokens = tokens(sql);
    let open = tokens.iter().position(|token| token.is_symbol("("))?;
    let (body, after) = group(&tokens, open)?;
    let columns = split_at_commas(body).map(|item| render(without_order(item))).collect();
    let predicate = match tokens.get(after) {
        Some(token) if token.is_word("where") => Some(render(&tokens[after + 1..])),
        _ => None,
    };
    Some(IndexText { columns, predicate })
}

/// What follows the name in a definition whose kind is `kind` (`trigger`, `view`, `table`).
pub(super) fn after_name(sql: &str, kind: &str) -> Option<String> {
    let tokens = tokens(sql);
    let mut name = 1 + tokens.iter().position(|token| token.is_word(kind))?;
    // Only a quoted table may be called "if".
    if tokens.get(name)?.is_word("if") {
        name += 3;
    }
    if tokens.get(name + 1)?.is_symbol(".") {
        name += 2;
    }
    Some(render(tokens.get(name + 1..)?))
}

/// Walks over the constraints of one column, or over one constraint of the table.
fn constraints(column: Option<&str>, item: &[Token], text: &mut TableText) -> Option<()> {
    let own_columns = |at: usize| match (column, columns_after(item, at)) {
        (Some(column), _) => vec![column.to_owned()],
        (None, columns) => columns,
    };
    // The name that CONSTRAINT gives, what ON CONFLICT belongs to, and what REFERENCES begins from.
    let mut name: Option<String> = None;
    let mut subject = String::new();
    let mut referring: Vec<String> = column.map(str::to_owned).into_iter().collect();
    let mut parent = String::new();
    let mut at = 0;
    while at < item.len() {
        let word = match &item[at] {
            Token::Word(word) => word.as_str(),
            Token::Symbol("(") => {
                at = group(item, at)?.1;
                continue;
            }
            _ => "",
        };
        let following = |word: &str| item.get(at + 1).is_some_and(|next| next.is_word(word));
        match word {
            "constraint" => {
                name = item.get(at + 1)?.identifier();
                at += 1;
            }
            "check" => {
                let (expression, after) = group(item, at + 1)?;
                let expression = render(expression);
                subject = format!("check ({expression})");
                text.checks.push(match name.take() {
                    Some(name) => format!("{name}: {expression}"),
                    None => expression,
                });
                at = after;
                continue;
            }
            "as" if item.get(at + 1).is_some_and(|next| next.is_symbol("(")) => {
                let (expression, after) = group(item, at + 1)?;
                text.generated.insert(column?.to_owned(), render(expression));
                at = after;
                continue;
            }
            // The value or the collation is no constraint, whatever its name.
            "default" | "collate" if !item.get(at + 1)?.is_symbol("(") => at += 1,
            "primary" | "unique" => {
                let columns = own_columns(at).join(", ");
                let kind = if word == "primary" { "primary key" } else { word };
                subject = format!("{kind} ({columns})");
                name = None;
            }
            "not" if following("null") => {
                subject = format!("not null ({})", column?);
                name = None;
            }
            "foreign" => referring = columns_after(item, at),
            "references" => {
                parent = item.get(at + 1)?.identifier()?;
                name = None;
                at += 1;
            }
            "deferrable" => {
                let refused = at > 0 && item[at - 1].is_word("not");
                let deferred = item.get(at + 2).is_some_and(|token| token.is_word("deferred"));
                if !refused && deferred && following("initially") {
                    text.deferred.insert((referring.clone(), parent.clone()));
                }
            }
            "on" if following("conflict") => {
                let answer = item.get(at + 2)?.identifier()?;
                text.conflict_clauses.push(format!("{subject} on conflict {answer}"));
                at += 2;
            }
            _ => {}
        }
        at += 1;
    }
    Some(())
}

/// The names in the first parentheses after `at`.
fn columns_after(item: &[Token], at: usize) -> Vec<String> {
    (at..item.len())
        .find(|open| item[*open].is_symbol("("))
        .and_then(|open| group(item, open))
        .map(|(columns, _)| {
            split_at_commas(columns).filter_map(|one| one.first()?.identifier()).collect()
        })
        .unwrap_or_default()
}

/// An index's column or expression without `COLLATE name`, `ASC` and `DESC`, which a pragma tells.
fn without_order(mut item: &[Token]) -> &[Token] {
    if let Some((last, before)) = item.split_last()
        && (last.is_word("asc") || last.is_word("desc"))
    {
        item = before;
    }
    match item {
        [before @ .., collate, _] if collate.is_word("collate") => before,
        _ => item,
    }
}

/// The tokens within the parentheses that open at `open`, and the place after them.
fn group(tokens: &[Token], open: usize) -> Option<(&[Token], usize)> {
    if !tokens.get(open)?.is_symbol("(") {
        return None;
    }
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth -= 1;
            if depth == 0 {
                return Some((&tokens[open + 1..at], at + 1));
            }
        }
    }
    None
}

/// The parts between the commas that are not in parentheses.
fn split_at_commas(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut depth = 0_usize;
    tokens.split(move |token| {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth = depth.saturating_sub(1);
        }
        depth == 0 && token.is_symbol(",")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_generated_columns_and_clauses_are_found_wherever_they_stand() {
        let text = table(
            "CREATE TABLE t (a INTEGER PRIMARY KEY ON CONFLICT REPLACE,
                \"check\" TEXT CONSTRAINT long CHECK (length(\"check\") > 1) COLLATE NOCASE,
                b DECIMAL(10, 5) DEFAULT (1 + (2)) NOT NULL ON CONFLICT IGNORE,
                c AS (a + (b)) STORED REFERENCES p (x, y) ON DELETE SET NULL
                    NOT DEFERRABLE INITIALLY DEFERRED,
                d REFERENCES p DEFERRABLE INITIALLY DEFERRED,
                CHECK (b IN (1, 2)), UNIQUE (a, b) ON CONFLICT FAIL,
                FOREIGN KEY (a, [b]) REFERENCES q DEFERRABLE INITIALLY DEFERRED) STRICT",
        )
        .expect("it is a CREATE TABLE");
        assert_eq!(text.checks, ["b in (1, 2)", "long: length(check) > 1"]);
        assert_eq!(text.generated, [("c".to_owned(), "a + (b)".to_owned())].into());
        let deferred = [(vec!["a", "b"], "q"), (vec!["d"], "p")].map(|(columns, parent)| {
            (columns.into_iter().map(str::to_owned).collect(), parent.to_owned())
        });
        assert_eq!(text.deferred, deferred.into());
        assert_eq!(
            text.conflict_clauses,
            [
                "not null (b) on conflict ignore",
                "primary key (a) on conflict replace",
                "unique (a, b) on conflict fail",
            ]
        );
    }

    #[test]
    fn an_index_is_read_without_order_and_collation() {
        let text = index(
            "CREATE INDEX i ON t (a COLLATE NOCASE DESC, lower(b) ASC, max(a, b)) WHERE a > 1",
        )
        .expect("it is a CREATE INDEX");
        assert_eq!(text.columns, ["a", "lower(b)", "max(a, b)"]);
        assert_eq!(text.predicate.as_deref(), Some("a > 1"));
    }

    #[test]
    fn what_is_no_definition_is_none() {
        for sql in ["", "CREATE TABLE", "CREATE TABLE t (", "CREATE TABLE t (a,)", "t (a CHECK)"] {
            assert_eq!(table(sql), None, "{sql}");
        }
        assert_eq!(index("CREATE INDEX i ON t"), None);
        assert_eq!(after_name("CREATE VIEW v", "view"), None);
        let same = after_name("CREATE VIEW IF NOT EXISTS main.v AS SELECT 1", "view");
        assert_eq!(same, after_name("create view w as select 1", "view"));
    }
}
