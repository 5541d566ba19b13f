//! Tags a hundred at a time, for services whose own listings leave them out.
//! <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>

use super::cell::Tags;
use super::failure::Result;
use aws_sdk_resourcegroupstagging::Client;
use iasql_engine::wire::Trouble;
use std::collections::HashMap;

/// The tags of everything of a service in this region, by ARN; nothing if they may not be read.
pub async fn of(tagging: &Client, service: &str) -> Result<Option<HashMap<String, Tags>>> {
    let request = tagging.get_resources().resource_type_filters(service).resources_per_page(100);
    let mut pages = request.into_paginator().send();
    let mut tags = HashMap::new();
    loop {
        let page = match pages.try_next().await.map_err(super::failure::Error::from) {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(Some(tags)),
            Err(error) if error.kind() == Trouble::Denied => return Ok(None),
            Err(error) => return Err(error),
        };
        for resource in page.resource_tag_mapping_list.into_iter().flatten() {
            let pairs = resource.tags.into_iter().flatten().map(|tag| (tag.key, tag.value));
            if let Some(arn) = resource.resource_arn {
                tags.insert(arn, pairs.collect());
            }
        }
    }
}
