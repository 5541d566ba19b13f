//! What any column of a type has to satisfy, whatever it is called: checks that come with the type,
//! so that no resource has to write them.

use syn::{GenericArgument, PathArguments, Type};

/// The checks of a column: condition, message, hint.
pub fn of(ty: &Type, column: &str) -> Vec<[String; 3]> {
    match name(ty).as_str() {
        "Tags" => tags(column),
        "Policy" => policy(column),
        "Policies" => policies(column),
        "Pairs" => vec![pairs(column)],
        _ => Vec::new(),
    }
}

fn pairs(column: &str) -> [String; 3] {
    let map = format!(
        "CASE jsonb_typeof(NEW.{column}) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.{column}) \
         AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END"
    );
    [
        map,
        format!("{column} is not a map of names to texts"),
        r#"Write it like '{"team": "web", "stage": "test"}'."#.to_owned(),
    ]
}

fn tags(column: &str) -> Vec<[String; 3]> {
    let limits = format!(
        "(SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 \
         AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') \
         FROM jsonb_each_text(NEW.{column}) AS tag (name, value))"
    );
    vec![
        pairs(column),
        [
            limits,
            format!(
                "{column} are more than AWS takes: at most 50, names of 1 to 128 characters that do not \
                 begin with aws: or iasql:, values of at most 256"
            ),
            "Use fewer, shorter or other tags.".to_owned(),
        ],
    ]
}

fn policy(column: &str) -> Vec<[String; 3]> {
    vec![[
        format!("NEW.{column} IS NULL OR ({})", sound(&format!("NEW.{column}"))),
        format!("{column} is not a policy document"),
        r#"Write an object with a Statement whose items have Effect and Action, as in {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}]}."#
            .to_owned(),
    ]]
}

fn policies(column: &str) -> Vec<[String; 3]> {
    let all = format!(
        "CASE jsonb_typeof(NEW.{column}) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.{column}) \
         AS policy (name, document) WHERE policy.name !~ '^[A-Za-z0-9+=,.@_-]{{1,128}}$' OR NOT ({})) ELSE false END",
        sound("policy.document")
    );
    vec![[
        all,
        format!("{column} is not a map of policy documents by name"),
        r#"Write an object of documents, each with a name of up to 128 letters, digits and +=,.@_-, as in {"logs": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}}."#
            .to_owned(),
    ]]
}

/// Whether JSON looks like a policy document.
fn sound(document: &str) -> String {
    let statements = format!("{document} -> 'Statement'");
    format!(
        "jsonb_typeof({document}) = 'object' AND {document} ? 'Statement' \
         AND {statements} <> '[]' AND NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof({statements}) WHEN 'array' \
         THEN {statements} ELSE jsonb_build_array({statements}) END) AS item (statement) \
         WHERE jsonb_typeof(item.statement) <> 'object' OR NOT item.statement ?| '{{Action,NotAction}}' \
         OR coalesce(item.statement ->> 'Effect', '') NOT IN ('Allow', 'Deny'))"
    )
}

/// The last word of a type, without the `Option` around it.
fn name(ty: &Type) -> String {
    let Type::Path(path) = ty else { return String::new() };
    let Some(last) = path.path.segments.last() else { return String::new() };
    match &last.arguments {
        PathArguments::AngleBracketed(inner) if last.ident == "Option" => {
            match inner.args.first() {
                Some(GenericArgument::Type(inner)) => name(inner),
                _ => String::new(),
            }
        }
        _ => last.ident.to_string(),
    }
}
