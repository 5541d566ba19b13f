//! What holds a security group or a subnet, so that AWS does not delete it.

use serde_json::{Value, json};

use super::ec2::count;
use super::{ecs, elbv2};
use crate::front::Front;
use crate::request::Call;
use crate::shape::Failure;

/// Whether a network interface passes a filter.
pub async fn has_interface(
    front: &Front,
    call: &Call,
    by: &str,
    id: &str,
) -> Result<bool, Failure> {
    let asked = [("Filter.1.Name", by), ("Filter.1.Value.1", id)];
    let set = "networkInterfaceSet";
    Ok(count(front, call, "DescribeNetworkInterfaces", set, &asked).await? > 0)
}

/// Whether a load balancer names `id` in an element, or in the members of one.
pub async fn has_load_balancer(
    front: &Front,
    call: &Call,
    element: &str,
    id: &str,
) -> Result<bool, Failure> {
    let named = elbv2::balancers(front, call, |balancer| {
        let mut named = Vec::new();
        balancer.all(element, &mut named);
        named.iter().any(|element| {
            element.text() == id || element.children.iter().any(|member| member.text() == id)
        })
    });
    Ok(named.await?.contains(&true))
}

/// Whether a running service of ECS names `id` in a list of its network configuration. On AWS it is
/// the interfaces of its tasks that hold the group or the subnet.
pub async fn has_service(
    front: &Front,
    call: &Call,
    list: &str,
    id: &str,
) -> Result<bool, Failure> {
    let clusters = ecs::ask_ecs(front, call, "ListClusters", &json!({})).await?;
    let network = format!("/networkConfiguration/awsvpcConfiguration/{list}");
    let holds = |service: &Value| {
        service["status"] == "ACTIVE"
            && service["desiredCount"] != 0
            && service
                .pointer(&network)
                .and_then(Value::as_array)
                .is_some_and(|ids| ids.iter().any(|other| other == id))
    };
    for cluster in ecs::list(&clusters, "clusterArns").filter_map(Value::as_str) {
        let name = cluster.rsplit('/').next().unwrap_or_default();
        if ecs::services_of(front, call, name).await?.iter().any(holds) {
            return Ok(true);
        }
    }
    Ok(false)
}
