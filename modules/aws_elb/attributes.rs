//! Attributes: settings that load balancers and target groups have by key, as texts.

use std::collections::HashMap;
use std::str::FromStr;

/// What AWS says of all the attributes of a thing.
#[derive(Debug, Default)]
pub struct Attributes(HashMap<String, String>);

impl FromIterator<(Option<String>, Option<String>)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (Option<String>, Option<String>)>>(all: I) -> Self {
        Self(all.into_iter().filter_map(|(key, value)| Some((key?, value?))).collect())
    }
}

impl Attributes {
    /// The value of an attribute, unless there is none or it is empty.
    pub fn get<T: FromStr>(&self, key: &str) -> Option<T> {
        self.0.get(key).filter(|value| !value.is_empty())?.parse().ok()
    }
}

/// Keys, and what is wanted there: nothing, where AWS decides.
pub type Wanted = Vec<(&'static str, Option<String>)>;

/// An attribute in words.
pub fn word<T: ToString>(value: &Option<T>) -> Option<String> {
    value.as_ref().map(T::to_string)
}

/// What to set to get here from `was`.
pub fn changed(wanted: Wanted, was: &Wanted) -> impl Iterator<Item = (&'static str, String)> {
    let differs = |(key, value)| {
        let same = was.contains(&(key, Some(String::clone(&value))));
        (!same).then_some((key, value))
    };
    wanted.into_iter().filter_map(|(key, value)| Some((key, value?))).filter_map(differs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asked_for_is_not_sent() {
        let was = vec![("a", Some("1".to_owned())), ("b", None), ("c", Some("3".to_owned()))];
        let wanted = vec![("a", None), ("b", word(&Some(2))), ("c", word(&Some(3)))];
        let changed: Vec<_> = changed(wanted, &was).collect();
        assert_eq!(changed, [("b", "2".to_owned())]);
    }

    #[test]
    fn an_empty_value_is_none() {
        let text = |text: &str| Some(text.to_owned());
        let all: Attributes =
            [(text("bucket"), text("")), (text("on"), text("true"))].into_iter().collect();
        assert_eq!((all.get::<String>("bucket"), all.get("on")), (None, Some(true)));
    }
}
