//! Lists that more than one table is read from are fetched once.
//!
//! A policy is found through the list of repositories, a listener through that of load balancers, and
//! each resource file asks for what it needs. While everything is listed, a page that another table
//! has asked for already, in the same words, is that table's page, too.

use super::failure::Call;
use super::pace::locked;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// The lists, by service and operation. Others need not be kept.
const SHARED: &[(&str, &str)] = &[
    ("ecr", "DescribeRepositories"),
    ("ecs", "ListClusters"),
    ("elasticloadbalancing", "DescribeLoadBalancers"),
    ("elasticloadbalancing", "DescribeTargetGroups"),
];

type Outcome = Result<HttpResponse, ConnectorError>;
/// What is asked of whom: service, region, operation and body.
type Question = (String, String, String, Vec<u8>);
type Page = Arc<OnceCell<Vec<u8>>>;

/// The pages so far, while there is a listing.
#[derive(Debug, Default)]
pub struct Shared(Mutex<Option<HashMap<Question, Page>>>);

impl Shared {
    /// Keeps pages until what it answers is dropped.
    pub fn open(&self) -> impl Drop + use<'_> {
        *locked(&self.0) = Some(HashMap::new());
        super::pace::on_drop(|| *locked(&self.0) = None)
    }

    /// The page asked for. A failure is for the one who met it: the next asks anew.
    pub async fn once<F: Future<Output = Outcome>>(
        &self,
        call: &Call,
        request: HttpRequest,
        send: impl FnOnce(HttpRequest) -> F,
    ) -> Outcome {
        let Some(page) = self.page(call, &request) else { return send(request).await };
        let fetch = async || match send(request).await {
            Ok(answer) if answer.status().is_success() => match answer.body().bytes() {
                Some(body) => Ok(body.to_vec()),
                None => Err(Ok(answer)),
            },
            outcome => Err(outcome),
        };
        let body = match page.get_or_try_init(fetch).await {
            Ok(body) => body.clone(),
            Err(outcome) => return outcome,
        };
        let ok = 200.try_into().map_err(|error| ConnectorError::user(Box::new(error)))?;
        let mut answer = HttpResponse::new(ok, SdkBody::from(body));
        answer.add_extension(call.clone());
        Ok(answer)
    }

    fn page(&self, call: &Call, request: &HttpRequest) -> Option<Page> {
        let shared = |(service, operation): &(&str, &str)| {
            *service == call.service && *operation == call.operation
        };
        let body = request.body().bytes().filter(|_| SHARED.iter().any(shared))?.to_vec();
        let question = (call.service.clone(), call.region.clone(), call.operation.clone(), body);
        Some(locked(&self.0).as_mut()?.entry(question).or_default().clone())
    }
}
