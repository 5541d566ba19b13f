//! The little of XML that AWS's answers need: a tree that remembers where each element stands, so
//! that an answer can be cut and mended in place.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};
use xmlparser::{ElementEnd, Token, Tokenizer};

/// One element of a document.
#[derive(Debug, Default)]
pub struct Element<'a> {
    pub name: &'a str,
    /// From `<` to the end of the closing tag.
    pub whole: Range<usize>,
    /// Between the tags; empty for `<a/>`.
    pub inner: Range<usize>,
    text: &'a str,
    pub children: Vec<Element<'a>>,
}

impl<'a> Element<'a> {
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element at the end of a path of names.
    pub fn find(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The children of the element at a path: the members of a list.
    pub fn list(&self, path: &[&str]) -> &[Self] {
        self.find(path).map_or(&[], |element| &element.children)
    }

    /// The text of this element.
    pub fn text(&self) -> Cow<'a, str> {
        unescape(self.text)
    }

    /// The text of a child, empty if there is none.
    pub fn get(&self, name: &str) -> Cow<'a, str> {
        self.child(name).map_or(Cow::Borrowed(""), |child| unescape(child.text))
    }

    /// What is below this element, in the form of [`Call::tree`](crate::request::Call::tree).
    pub fn tree(&self) -> Value {
        if self.children.is_empty() {
            return self.text().into();
        }
        let mut tree = Map::new();
        for child in &self.children {
            match child.name {
                "member" => {
                    let list = tree.entry(child.name).or_insert_with(|| Value::Array(Vec::new()));
                    if let Value::Array(list) = list {
                        list.push(child.tree());
                    }
                }
                name => drop(tree.insert(name.to_owned(), child.tree())),
            }
        }
        tree.into()
    }

    /// Every element below this one with that name.
    pub fn all<'b>(&'b self, name: &str, found: &mut Vec<&'b Self>) {
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            child.all(name, found);
        }
    }
}

/// The root element, or nothing if the text is not well formed.
pub fn parse(text: &str) -> Option<Element<'_>> {
    let mut open = vec![Element::default()];
    for token in Tokenizer::from(text) {
        match token.ok()? {
            Token::ElementStart { local, span, .. } => {
                let whole = span.start()..span.end();
                let name = local.as_str();
                open.push(Element {
                    name,
                    whole,
                    inner: span.end()..span.end(),
                    ..Element::default()
                });
            }
            Token::ElementEnd { end: ElementEnd::Open, span } => {
                open.last_mut()?.inner = span.end()..span.end();
            }
            Token::ElementEnd { end, span } => {
                let mut element = open.pop()?;
                element.whole.end = span.end();
                element.inner.end = match end {
                    ElementEnd::Close(..) => span.start(),
                    _ => element.inner.start,
                };
                open.last_mut()?.children.push(element);
            }
            Token::Text { text } | Token::Cdata { text, .. } => {
                open.last_mut()?.text = text.as_str();
            }
            _ => {}
        }
    }
    let mut document = open.pop()?;
    if open.is_empty() { document.children.pop() } else { None }
}

/// Replaces parts of a text, none of which overlap.
pub fn edit(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    let mut text = text.to_owned();
    edits.sort_by_key(|(place, _)| place.start);
    // From the end, so that the earlier places stay right.
    for (place, new) in edits.into_iter().rev() {
        text.replace_range(place, &new);
    }
    text
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let marks = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&amp;", "&"),
    ];
    Cow::Owned(marks.iter().fold(text.to_owned(), |text, (mark, sign)| text.replace(mark, sign)))
}

/// What stands between two marks, if both are there.
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_knows_where_its_elements_are() {
        let text =
            "<?xml version=\"1.0\"?>\n<R xmlns=\"x\"><s><i><a>1 &amp; 2</a></i><i/></s><e/></R>";
        let root = parse(text).expect("well formed");
        assert_eq!(root.name, "R");
        let items = root.list(&["s"]);
        assert_eq!(items.len(), 2);
        assert_eq!(&text[items[0].whole.clone()], "<i><a>1 &amp; 2</a></i>");
        assert_eq!(&text[items[1].whole.clone()], "<i/>");
        assert_eq!(items[0].get("a"), "1 & 2");
        assert!(root.list(&["e"]).is_empty() && root.list(&["none"]).is_empty());
    }

    #[test]
    fn places_stay_right_while_others_are_edited() {
        let edits = vec![(0..1, "xx".to_owned()), (2..3, String::new()), (3..3, "y".to_owned())];
        assert_eq!(edit("abcd", edits), "xxbyd");
    }

    #[test]
    fn nonsense_is_no_tree() {
        assert!(parse("<a><b></a>").is_none_or(|root| root.name != "b"));
        assert!(parse("{}").is_none());
        assert!(parse("").is_none());
    }
}
