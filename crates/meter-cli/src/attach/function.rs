//! The authorizer function, and its permissions for APIs.

use anyhow::Context;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::add_permission::AddPermissionError;
use aws_sdk_lambda::operation::remove_permission::RemovePermissionError;

/// Alias of the version that runs.
const ALIAS: &str = "live";

/// The function with which the meter admits calls.
pub struct AuthorizerFunction {
    client: Client,
    /// ARN of its alias.
    arn: Arn,
}

/// An ARN and its parts.
struct Arn {
    text: String,
    partition: String,
    region: String,
    account: String,
}

impl Arn {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':').skip(1).map(str::to_owned);
        let (partition, region, account) = (parts.next()?, parts.nth(1)?, parts.next()?);
        Some(Self { text: text.to_owned(), partition, region, account })
    }
}

impl AuthorizerFunction {
    /// Finds the function of an environment.
    pub async fn find(client: Client, name: &str) -> anyhow::Result<Self> {
        let reply = client.get_function_configuration().function_name(name).qualifier(ALIAS).send().await;
        let reply = reply.with_context(|| {
            format!("the function {name} cannot be read; deploy the meter with its authorizer first")
        })?;
        let arn = reply.function_arn().and_then(Arn::parse).context("the function has no ARN")?;
        Ok(Self { client, arn })
    }

    /// Returns the URI by which an authorizer of API Gateway invokes the function.
    ///
    /// Source: API Gateway API Reference, `CreateAuthorizer`, `authorizerUri`.
    pub fn authorizer_uri(&self) -> String {
        let Arn { text, partition, region, .. } = &self.arn;
        format!("arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{text}/invocations")
    }

    /// Lets the authorizers of an API, and nothing else of API Gateway, invoke the function.
    pub async fn allow(&self, api_id: &str) -> anyhow::Result<()> {
        let Arn { text, partition, region, account } = &self.arn;
        let source = format!("arn:{partition}:execute-api:{region}:{account}:{api_id}/authorizers/*");
        let request = self.client.add_permission().function_name(text).statement_id(statement(api_id));
        let request = request.action("lambda:InvokeFunction").principal("apigateway.amazonaws.com");
        match request.source_arn(source).send().await {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(AddPermissionError::is_resource_conflict_exception) =>
            {
                Ok(())
            }
            reply => reply.map(|_| ()).context("API Gateway cannot be permitted to invoke the authorizer"),
        }
    }

    /// Takes the permission of an API away.
    pub async fn forbid(&self, api_id: &str) -> anyhow::Result<()> {
        let request = self.client.remove_permission().function_name(&self.arn.text);
        match request.statement_id(statement(api_id)).send().await {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(RemovePermissionError::is_resource_not_found_exception) =>
            {
                Ok(())
            }
            reply => reply.map(|_| ()).context("the permission of API Gateway cannot be removed"),
        }
    }
}

fn statement(api_id: &str) -> String {
    format!("usage-meter-{api_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_a_partition_a_region_and_an_account() {
        let text = "arn:aws-cn:lambda:cn-north-1:123456789012:function:api-authorizer-prod:live";
        let arn = Arn::parse(text).unwrap();
        assert_eq!([arn.partition, arn.region, arn.account], ["aws-cn", "cn-north-1", "123456789012"]);
        assert_eq!(arn.text, text);
        assert!(Arn::parse("api-authorizer-prod").is_none());
    }
}
