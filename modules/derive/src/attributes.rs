//! What stands in `#[resource]`, `#[column]`, `#[check]` and the doc comments, read and checked.

use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, Field, Ident, Lit, LitStr, Meta, Result, Token, Type};

/// `#[resource(...)]`, and the checks and documentation of the struct.
#[derive(Default)]
pub struct Resource {
    pub doc: String,
    pub table: Option<LitStr>,
    pub module: Option<LitStr>,
    pub primary_key: Option<LitStr>,
    pub global: bool,
    pub exclusive: bool,
    pub create_first: bool,
    pub read_back: bool,
    pub import_only: bool,
    pub revises: bool,
    pub part_of: Option<LitStr>,
    pub births: Vec<Birth>,
    pub checks: Vec<Check>,
    pub reads: Vec<LitStr>,
    pub writes: Vec<LitStr>,
}

/// `birth(...)`.
pub struct Birth {
    pub table: LitStr,
    pub parent: LitStr,
    pub cells: Vec<(String, String)>,
    pub kept: bool,
}

/// `#[check(...)]`.
pub struct Check {
    pub sql: LitStr,
    pub message: LitStr,
    pub hint: LitStr,
}

/// `#[column(...)]`, and the checks and documentation of the field.
pub struct Column {
    pub field: Ident,
    pub name: String,
    pub ty: Type,
    pub doc: String,
    pub key: bool,
    pub id: bool,
    pub created: bool,
    pub late: bool,
    pub open: bool,
    pub becomes: Option<LitStr>,
    pub request: bool,
    pub waiver: bool,
    pub some: bool,
    pub fixed: bool,
    pub read_only: bool,
    pub not_null: bool,
    pub cascade: bool,
    pub loose: bool,
    pub enables: bool,
    pub default: Option<LitStr>,
    pub when_null: Option<LitStr>,
    pub labels: Vec<LitStr>,
    pub checks: Vec<Check>,
}

impl Resource {
    pub fn read(name: &Ident, attributes: &[Attribute]) -> Result<Self> {
        let mut this = Self {
            doc: documentation(attributes).ok_or_else(|| {
                Error::new(
                    name.span(),
                    "say what a row is, in a doc comment: it becomes the table's COMMENT",
                )
            })?,
            ..Self::default()
        };
        for attribute in attributes {
            if attribute.path().is_ident("resource") {
                attribute.parse_nested_meta(|meta| this.word(&meta))?;
            } else if attribute.path().is_ident("check") {
                this.checks.push(check(attribute)?);
            } else if attribute.path().is_ident("column") {
                return Err(Error::new(attribute.span(), "`column` belongs on a field"));
            }
        }
        Ok(this)
    }

    fn word(&mut self, meta: &ParseNestedMeta) -> Result<()> {
        match word(meta).as_str() {
            "table" => self.table = Some(meta.value()?.parse()?),
            "module" => self.module = Some(meta.value()?.parse()?),
            "primary_key" => self.primary_key = Some(meta.value()?.parse()?),
            "global" => self.global = true,
            "exclusive" => self.exclusive = true,
            "create_first" => self.create_first = true,
            "read_back" => self.read_back = true,
            "import_only" => self.import_only = true,
            "revises" => self.revises = true,
            "part_of" => self.part_of = Some(meta.value()?.parse()?),
            "birth" => self.births.push(birth(meta)?),
            "reads" => self.reads = strings(meta)?,
            "writes" => self.writes = strings(meta)?,
            _ => {
                return Err(meta.error(
                    "not a word of `resource`: table, module, primary_key, global, exclusive, create_first, \
                     read_back, import_only, revises, part_of, birth, reads, writes",
                ));
            }
        }
        Ok(())
    }
}

impl Column {
    pub fn read(field: &Field) -> Result<Self> {
        let Some(ident) = field.ident.clone() else {
            return Err(Error::new(field.span(), "a column needs a name"));
        };
        let doc = documentation(&field.attrs).ok_or_else(|| {
            Error::new(
                ident.span(),
                "say what the column means, in a doc comment: it becomes its COMMENT",
            )
        })?;
        let mut this = Self {
            name: ident.unraw().to_string(),
            field: ident,
            ty: field.ty.clone(),
            doc,
            key: false,
            id: false,
            created: false,
            late: false,
            open: false,
            becomes: None,
            request: false,
            waiver: false,
            some: false,
            fixed: false,
            read_only: false,
            not_null: false,
            cascade: false,
            loose: false,
            enables: false,
            default: None,
            when_null: None,
            labels: Vec::new(),
            checks: Vec::new(),
        };
        for attribute in &field.attrs {
            if attribute.path().is_ident("column") {
                attribute.parse_nested_meta(|meta| this.word(&meta))?;
            } else if attribute.path().is_ident("check") {
                this.checks.push(check(attribute)?);
            } else if attribute.path().is_ident("resource") {
                return Err(Error::new(attribute.span(), "`resource` belongs on the struct"));
            }
        }
        this.agrees()?;
        Ok(this)
    }

    fn word(&mut self, meta: &ParseNestedMeta) -> Result<()> {
        match word(meta).as_str() {
            "key" => self.key = true,
            "id" => self.id = true,
            "created" => self.created = true,
            "late" => self.late = true,
            "open" => self.open = true,
            "becomes" => self.becomes = Some(meta.value()?.parse()?),
            "request" => self.request = true,
            "waiver" => (self.request, self.waiver) = (true, true),
            "some" => self.some = true,
            "fixed" => self.fixed = true,
            "read_only" => self.read_only = true,
            "not_null" => self.not_null = true,
            "cascade" => self.cascade = true,
            "loose" => self.loose = true,
            "enables" => self.enables = true,
            "default" => self.default = Some(meta.value()?.parse()?),
            "when_null" => self.when_null = Some(meta.value()?.parse()?),
            "labels" => self.labels = strings(meta)?,
            _ => {
                return Err(meta.error(
                    "not a word of `column`: key, id, created, late, open, fixed, read_only, not_null, \
                     request, waiver, some, becomes, default, labels, when_null, cascade, loose, enables",
                ));
            }
        }
        Ok(())
    }

    /// Words that contradict each other are found here, not by a user.
    fn agrees(&self) -> Result<()> {
        let wrong = |why| Err(Error::new(self.field.span(), why));
        if self.read_only && self.fixed {
            return wrong("nobody can write a `read_only` column, so it need not be `fixed`");
        }
        if self.read_only && self.late {
            return wrong("AWS always fills a `read_only` column, so it need not be `late`");
        }
        if self.late && self.default.is_some() {
            return wrong("a `late` column is filled by AWS, so it has no `default`");
        }
        if self.not_null && self.default.is_none() {
            return wrong("the type says whether a column without a `default` is `not_null`");
        }
        if self.open && !self.late {
            return wrong("what AWS does not fill when NULL can't be `open`");
        }
        if self.request && (self.read_only || self.late || self.fixed || self.default.is_none()) {
            return wrong("a `request` is written by users, and has a `default`: false");
        }
        if self.created && !self.read_only {
            return wrong("the time AWS made it is `read_only`");
        }
        Ok(())
    }
}

/// The word an entry begins with; nothing for a path of several.
fn word(meta: &ParseNestedMeta) -> String {
    meta.path.get_ident().map(ToString::to_string).unwrap_or_default()
}

/// `("a", "b")`
fn strings(meta: &ParseNestedMeta) -> Result<Vec<LitStr>> {
    let content;
    syn::parenthesized!(content in meta.input);
    let strings = content.parse_terminated(|input| input.parse::<LitStr>(), Token![,])?;
    Ok(strings.into_iter().collect())
}

fn check(attribute: &Attribute) -> Result<Check> {
    let (mut sql, mut message, mut hint) = (None, None, None);
    attribute.parse_nested_meta(|meta| {
        let place = match word(&meta).as_str() {
            "sql" => &mut sql,
            "message" => &mut message,
            "hint" => &mut hint,
            _ => return Err(meta.error("not a word of `check`: sql, message, hint")),
        };
        *place = Some(meta.value()?.parse()?);
        Ok(())
    })?;
    let missing = |what| Error::new(attribute.span(), format!("a check needs {what}"));
    Ok(Check {
        sql: sql.ok_or_else(|| missing("`sql`: a condition over NEW"))?,
        message: message.ok_or_else(|| missing("a `message`: what is wrong"))?,
        hint: hint.ok_or_else(|| missing("a `hint`: what to write instead"))?,
    })
}

fn birth(meta: &ParseNestedMeta) -> Result<Birth> {
    let (mut table, mut parent, mut cells, mut kept) = (None, None, Vec::new(), false);
    meta.parse_nested_meta(|meta| {
        match word(&meta).as_str() {
            "table" => table = Some(meta.value()?.parse()?),
            "parent" => parent = Some(meta.value()?.parse()?),
            "kept" => kept = true,
            "cells" => meta.parse_nested_meta(|cell| {
                let json = json(&cell.value()?.parse()?)?;
                cells.push((word(&cell), json));
                Ok(())
            })?,
            _ => return Err(meta.error("not a word of `birth`: table, parent, cells, kept")),
        }
        Ok(())
    })?;
    let missing = |what| Error::new(meta.path.span(), format!("a birth needs its `{what}`"));
    Ok(Birth {
        table: table.ok_or_else(|| missing("table"))?,
        parent: parent.ok_or_else(|| missing("parent"))?,
        cells,
        kept,
    })
}

/// A literal as JSON.
fn json(literal: &Lit) -> Result<String> {
    match literal {
        Lit::Str(text) => {
            let text = text.value();
            if text.contains(['"', '\\']) || text.contains(char::is_control) {
                return Err(Error::new(literal.span(), "plain text only"));
            }
            Ok(format!("\"{text}\""))
        }
        Lit::Bool(truth) => Ok(truth.value.to_string()),
        Lit::Int(number) => Ok(number.base10_digits().to_owned()),
        _ => Err(Error::new(literal.span(), "a string, a number or a bool")),
    }
}

/// The doc comment as flowing text: lines are joined, blank lines part paragraphs.
fn documentation(attributes: &[Attribute]) -> Option<String> {
    let mut text = String::new();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("doc")) {
        let Meta::NameValue(pair) = &attribute.meta else { continue };
        let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &pair.value else { continue };
        match line.value().trim() {
            "" if text.is_empty() || text.ends_with('\n') => (),
            "" => text.push_str("\n\n"),
            line => {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push(' ');
                }
                text.push_str(line);
            }
        }
    }
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}
