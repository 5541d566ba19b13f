//! What images are called, and which repositories they are in.

use crate::cloud::aws::Main;
use crate::prelude::*;
use std::collections::HashMap;

/// The clients for both kinds of repositories.
pub type Registries = (aws_sdk_ecr::Client, Main<aws_sdk_ecrpublic::Client>);

/// An image, by name or by the repository it is in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Image {
    pub name: Option<String>,
    pub private: Option<String>,
    pub public: Option<String>,
    pub tag: Option<String>,
    pub digest: Option<String>,
}

impl Image {
    /// Of what `docker pull` takes.
    pub fn parse(text: &str) -> Self {
        // A tag beside a digest means nothing, and stays part of the name.
        if let Some((name, digest)) = text.split_once('@') {
            return Self::named(name, None, Some(digest));
        }
        match text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((name, tag)) => Self::named(name, Some(tag), None),
            None => Self::named(text, None, None),
        }
    }

    fn named(name: &str, tag: Option<&str>, digest: Option<&str>) -> Self {
        Self {
            name: Some(name.to_owned()),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
            ..Self::default()
        }
    }

    /// The text that AWS takes, of an image called so.
    pub fn text(name: &str, tag: Option<&str>, digest: Option<&str>) -> String {
        let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{name}{tag}{digest}")
    }
}

/// The account's repositories, by what their images are called. They are asked for when there is an
/// image that may be in one.
#[derive(Debug, Default)]
pub struct Repositories {
    private: Option<HashMap<String, String>>,
    public: Option<HashMap<String, String>>,
}

impl Repositories {
    /// Asks for the repositories that images may be in.
    pub async fn learn(
        &mut self,
        (private, public): &Registries,
        images: impl Iterator<Item = &str>,
    ) -> Result<()> {
        for image in images {
            if self.private.is_none() && image.contains(".dkr.ecr") {
                let mut names = HashMap::new();
                let request = private.describe_repositories().max_results(1000);
                let mut pages = request.into_paginator().send();
                while let Some(page) = pages.try_next().await? {
                    let found = page.repositories.into_iter().flatten();
                    names.extend(
                        found.filter_map(|it| Some((it.repository_uri?, it.repository_name?))),
                    );
                }
                self.private = Some(names);
            }
            if self.public.is_none() && image.starts_with("public.ecr.aws/") {
                let mut names = HashMap::new();
                let request = public.describe_repositories().max_results(1000);
                let mut pages = request.into_paginator().send();
                while let Some(page) = pages.try_next().await? {
                    let found = page.repositories.into_iter().flatten();
                    names.extend(
                        found.filter_map(|it| Some((it.repository_uri?, it.repository_name?))),
                    );
                }
                self.public = Some(names);
            }
        }
        Ok(())
    }

    /// An image by its repository, if that is one of these.
    pub fn place(&self, image: Image) -> Image {
        let found = |names: &Option<HashMap<String, String>>| {
            names.as_ref()?.get(image.name.as_deref()?).cloned()
        };
        let (private, public) = (found(&self.private), found(&self.public));
        let name = image.name.filter(|_| private.is_none() && public.is_none());
        Image { name, private, public, ..image }
    }
}

/// What images of a private repository are called.
pub async fn private_uri((ecr, _): &Registries, name: &str) -> Result<String> {
    let found = ecr.describe_repositories().repository_names(name).send().await?.repositories;
    let uri = found.into_iter().flatten().find_map(|it| it.repository_uri);
    uri.must("the repository's URI")
}

/// What images of a public repository are called.
pub async fn public_uri((_, ecr): &Registries, name: &str) -> Result<String> {
    let found = ecr.describe_repositories().repository_names(name).send().await?.repositories;
    let uri = found.into_iter().flatten().find_map(|it| it.repository_uri);
    uri.must("the repository's URI")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_taken_apart_and_put_together() {
        let digest = "sha256:0123456789abcdef0123456789abcdef";
        for (text, name, tag, digest) in [
            ("nginx", "nginx", None, None),
            ("nginx:1.27", "nginx", Some("1.27"), None),
            ("localhost:5000/web", "localhost:5000/web", None, None),
            ("localhost:5000/web:v1", "localhost:5000/web", Some("v1"), None),
            (&format!("team/web@{digest}"), "team/web", None, Some(digest)),
            (&format!("team/web:v1@{digest}"), "team/web:v1", None, Some(digest)),
        ] {
            assert_eq!(Image::parse(text), Image::named(name, tag, digest));
            assert_eq!(Image::text(name, tag, digest), text);
        }
    }

    #[test]
    fn images_in_repositories_of_ours_are_known_by_them() {
        let uri = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/web";
        let names = [(uri.to_owned(), "team/web".to_owned())].into();
        let homes = Repositories { private: Some(names), public: None };
        let ours = homes.place(Image::parse(&format!("{uri}:v1")));
        assert_eq!((ours.private.as_deref(), ours.name), (Some("team/web"), None));
        let other = Image::parse("210987654321.dkr.ecr.us-east-1.amazonaws.com/team/web:v1");
        assert_eq!(homes.place(other.clone()), other);
    }
}
