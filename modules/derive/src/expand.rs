//! The code that the attributes stand for.

use crate::attributes::{Birth, Check, Column, Resource};
use crate::rules;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, LitStr, Result};

/// `impl Cells` for the struct.
pub fn resource(input: &DeriveInput) -> Result<TokenStream> {
    let ident = &input.ident;
    let resource = Resource::read(ident, &input.attrs)?;
    let columns = columns(input)?;
    if resource.part_of.is_none() {
        one_id(input, &columns)?;
    }

    let name = match &resource.table {
        Some(name) => name.value(),
        None => snake_case(&ident.to_string()),
    };
    let module = match &resource.module {
        Some(module) => quote!(#module),
        None => quote!(crate::cloud::cell::module_of(::core::module_path!())),
    };
    let scope = if resource.global { quote!(Global) } else { quote!(Regional) };
    let primary_key = option(resource.primary_key.as_ref());
    let Resource { doc, exclusive, create_first, read_back, import_only, revises, .. } = &resource;
    let Resource { reads, writes, .. } = &resource;
    let owner = option(resource.part_of.as_ref());
    let births = resource.births.iter().map(born);
    let typed = columns.iter().flat_map(|c| rules::of(&c.ty, &c.name)).map(|rule| ruled(&rule));
    let written = columns.iter().flat_map(|c| &c.checks).chain(&resource.checks).map(checked);
    let checks = typed.chain(written);
    let declared = columns.iter().map(|c| column(&name, c));

    let fields: Vec<_> = columns.iter().map(|c| &c.field).collect();
    let names = columns.iter().map(|c| &c.name);
    let positions = 0..columns.len();
    Ok(quote! {
        #[automatically_derived]
        impl crate::cloud::cell::Cells for #ident {
            const TABLE: &'static ::iasql_engine::table::Table = &::iasql_engine::table::Table {
                module: #module,
                name: #name,
                doc: #doc,
                scope: ::iasql_engine::table::Scope::#scope,
                columns: &[#(#declared),*],
                primary_key: #primary_key,
                checks: &[#(#checks),*],
                births: &[#(#births),*],
                exclusive: #exclusive,
                create_first: #create_first,
                read_back: #read_back,
                import_only: #import_only,
                revises: #revises,
                owner: #owner,
            };
            const READS: &'static [&'static str] = &[#(#reads),*];
            const WRITES: &'static [&'static str] = &[#(#writes),*];

            fn into_row(self) -> ::iasql_engine::Row {
                ::std::vec![#(crate::cloud::cell::Cell::into_value(self.#fields)),*]
            }

            fn from_row(row: &::iasql_engine::Row) -> crate::cloud::failure::Result<Self> {
                ::core::result::Result::Ok(Self {
                    #(#fields: crate::cloud::cell::take(row, #positions, #names)?),*
                })
            }
        }
    })
}

fn columns(input: &DeriveInput) -> Result<Vec<Column>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(
            input.ident.span(),
            "a resource is a struct: its fields are the columns",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(input.ident.span(), "the columns of a resource have names"));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a resource is one type: no generics"));
    }
    // All that is wrong at once, not one column per build.
    let mut columns = Vec::new();
    let mut wrong: Option<Error> = None;
    for field in &fields.named {
        match Column::read(field) {
            Ok(column) => columns.push(column),
            Err(error) => match &mut wrong {
                Some(errors) => errors.combine(error),
                None => wrong = Some(error),
            },
        }
    }
    wrong.map_or(Ok(columns), Err)
}

fn one_id(input: &DeriveInput, columns: &[Column]) -> Result<()> {
    let mut ids = columns.iter().filter(|c| c.id);
    match (ids.next(), ids.next()) {
        (None, _) => Err(Error::new(
            input.ident.span(),
            "mark the column that carries what AWS knows the resource by: #[column(id)]",
        )),
        (Some(_), Some(second)) => Err(Error::new(second.field.span(), "a resource has one `id`")),
        (Some(_), None) => Ok(()),
    }
}

fn column(table: &str, column: &Column) -> TokenStream {
    let Column { name, ty, doc, key, id, created, late, labels, .. } = column;
    let Column { open, request, waiver, some, cascade, loose, enables, .. } = column;
    let sql = if labels.is_empty() {
        quote!(<#ty as crate::cloud::cell::Cell>::SQL)
    } else {
        let name = format!("{table}_{name}_enum");
        quote!(#name)
    };
    let access = match (column.fixed, column.read_only) {
        (true, _) => quote!(Fixed),
        (_, true) => quote!(ReadOnly),
        _ => quote!(Settable),
    };
    let required = match (&column.default, column.not_null) {
        (Some(_), not_null) => quote!(#not_null),
        (None, _) => quote!(<#ty as crate::cloud::cell::Cell>::REQUIRED),
    };
    let default = match &column.default {
        Some(default) => quote!(::core::option::Option::Some(#default)),
        None => quote!(<#ty as crate::cloud::cell::Cell>::DEFAULT),
    };
    let when_null = option(column.when_null.as_ref());
    let becomes = option(column.becomes.as_ref());
    quote! {
        ::iasql_engine::table::Column {
            name: #name,
            sql: #sql,
            kind: <#ty as crate::cloud::cell::Cell>::KIND,
            access: ::iasql_engine::table::Access::#access,
            key: #key,
            id: #id,
            created: #created,
            late: #late,
            open: #open,
            becomes: #becomes,
            request: #request,
            waiver: #waiver,
            some: #some,
            required: #required,
            default: #default,
            labels: &[#(#labels),*],
            references: crate::cloud::cell::reference::<#ty>(#when_null, #cascade, #loose, #enables),
            mentions: crate::cloud::cell::mention::<#ty>(),
            doc: #doc,
        }
    }
}

fn checked(Check { sql, message, hint }: &Check) -> TokenStream {
    quote!(::iasql_engine::table::Check { sql: #sql, message: #message, hint: #hint })
}

fn ruled([sql, message, hint]: &[String; 3]) -> TokenStream {
    quote!(::iasql_engine::table::Check { sql: #sql, message: #message, hint: #hint })
}

fn born(Birth { table, parent, cells, kept }: &Birth) -> TokenStream {
    let (names, values): (Vec<_>, Vec<_>) = cells.iter().cloned().unzip();
    quote! {
        ::iasql_engine::table::Birth {
            table: #table,
            parent: #parent,
            cells: &[#((#names, #values)),*],
            kept: #kept,
        }
    }
}

fn option(text: Option<&LitStr>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

/// `SecurityGroupRule` is `security_group_rule`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    /// What the compiler would say of a struct; nothing, if it is fine.
    fn complaints(input: &DeriveInput) -> Vec<String> {
        let Err(errors) = resource(input) else { return Vec::new() };
        errors.into_iter().map(|error| error.to_string()).collect()
    }

    #[track_caller]
    fn refused(input: &DeriveInput, begin: &[&str]) {
        let said = complaints(input);
        assert_eq!(said.len(), begin.len(), "{said:?}");
        for (said, begin) in said.iter().zip(begin) {
            assert!(said.starts_with(begin), "{said}");
        }
    }

    #[test]
    fn names_become_snake_case() {
        assert_eq!(snake_case("SecurityGroupRule"), "security_group_rule");
        assert_eq!(snake_case("Vpc"), "vpc");
    }

    #[test]
    fn a_documented_struct_with_an_id_is_enough() {
        let fine = parse_quote! {
            /// A thing.
            struct Thing {
                /// ARN, given by AWS.
                #[column(id, read_only)]
                arn: Option<String>,
            }
        };
        assert_eq!(complaints(&fine), Vec::<String>::new());
    }

    #[test]
    fn every_column_without_a_doc_is_named() {
        let bare = parse_quote! {
            /// A thing.
            struct Thing { #[column(id, read_only)] arn: Option<String>, name: String }
        };
        let missing = "say what the column means";
        refused(&bare, &[missing, missing]);
        refused(
            &parse_quote!(
                struct Thing {}
            ),
            &["say what a row is"],
        );
    }

    #[test]
    fn exactly_one_id() {
        let none = parse_quote! {
            /// A thing.
            struct Thing {
                /// Name.
                name: String,
            }
        };
        refused(&none, &["mark the column that carries"]);
        let two = parse_quote! {
            /// A thing.
            struct Thing {
                /// ARN.
                #[column(id, read_only)]
                arn: Option<String>,
                /// Name.
                #[column(id)]
                name: String,
            }
        };
        refused(&two, &["a resource has one `id`"]);
    }

    #[test]
    fn words_that_contradict_each_other_are_refused() {
        let both = parse_quote! {
            /// A thing.
            struct Thing {
                /// ARN.
                #[column(id, read_only, fixed)]
                arn: Option<String>,
            }
        };
        refused(&both, &["nobody can write a `read_only` column"]);
    }

    #[test]
    fn unknown_words_are_answered_with_the_known_ones() {
        let misspelt = parse_quote! {
            /// A thing.
            struct Thing {
                /// ARN.
                #[column(id, readonly)]
                arn: Option<String>,
            }
        };
        refused(&misspelt, &["not a word of `column`: key, id"]);
        let half = parse_quote! {
            /// A thing.
            #[check(sql = "true", message = "no")]
            struct Thing {}
        };
        refused(&half, &["a check needs a `hint`"]);
    }

    #[test]
    fn only_structs_with_named_fields() {
        refused(
            &parse_quote!(
                #[doc = "A thing."]
                enum Thing {}
            ),
            &["a resource is a struct"],
        );
        refused(
            &parse_quote!(
                #[doc = "A thing."]
                struct Thing(String);
            ),
            &["the columns of a resource"],
        );
    }
}
