//! What holds a security group or a subnet, so that AWS does not delete it.

use serde_json::{Value, json};

use super::ec2::count;
use super::{ask, ask_json};
use crate::front::Front;
use crate::request::Call;
use crate::shape::Failure;
use crate::xml::Element;

const ECS: &str = "AmazonEC2ContainerServiceV20141113";

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
    let mut marker = String::new();
    loop {
        let asked = [("PageSize", "400"), ("Marker", marker.as_str())];
        let asked = if marker.is_empty() { &asked[..1] } else { &asked[..] };
        let question = ("elasticloadbalancing", "DescribeLoadBalancers");
        let (found, next) = ask(front, call, question, asked, |root| {
            let mut named = Vec::new();
            root.all(element, &mut named);
            let is_it = |element: &&Element<'_>| {
                element.text() == id || element.children.iter().any(|member| member.text() == id)
            };
            let next = root.find(&["DescribeLoadBalancersResult", "NextMarker"]);
            (named.iter().any(is_it), next.map(|next| next.text().into_owned()))
        })
        .await?;
        match next {
            Some(next) if !found && !next.is_empty() => marker = next,
            _ => return Ok(found),
        }
    }
}

/// Whether a running service of ECS names `id` in a list of its network configuration. On AWS it is
/// the interfaces of its tasks that hold the group or the subnet.
pub async fn has_service(
    front: &Front,
    call: &Call,
    list: &str,
    id: &str,
) -> Result<bool, Failure> {
    let clusters = ask_json(front, call, ("ecs", ECS, "ListClusters"), &json!({})).await?;
    for cluster in strings(&clusters, "clusterArns") {
        let asked = json!({"cluster": cluster});
        let found = ask_json(front, call, ("ecs", ECS, "ListServices"), &asked).await?;
        for some in strings(&found, "serviceArns").chunks(10) {
            let asked = json!({"cluster": cluster, "services": some});
            let found = ask_json(front, call, ("ecs", ECS, "DescribeServices"), &asked).await?;
            let services = found.get("services").and_then(Value::as_array);
            let network = format!("/networkConfiguration/awsvpcConfiguration/{list}");
            let holds = |service: &Value| {
                service.get("status") == Some(&json!("ACTIVE"))
                    && service.get("desiredCount") != Some(&json!(0))
                    && service
                        .pointer(&network)
                        .and_then(Value::as_array)
                        .is_some_and(|ids| ids.iter().any(|other| other == id))
            };
            if services.is_some_and(|services| services.iter().any(holds)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn strings(json: &Value, name: &str) -> Vec<String> {
    let list = json.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
