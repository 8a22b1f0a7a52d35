mock_provider "aws" {
  source = "../../tests/mock"
}

variables {
  name = "ontime-prod"
  host = "ontime.example"
}

run "only_bundles_are_cached_and_only_over_tls" {
  command = apply

  assert {
    condition     = [for behavior in aws_cloudfront_distribution.this.ordered_cache_behavior : behavior.path_pattern] == ["/ota/bundles/*"] && one(aws_cloudfront_distribution.this.default_cache_behavior).cache_policy_id == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    error_message = "answers to devices and to the app are never kept"
  }
  assert {
    condition     = one(aws_cloudfront_distribution.this.default_cache_behavior).viewer_protocol_policy == "https-only" && one(one(aws_cloudfront_distribution.this.origin).custom_origin_config).origin_protocol_policy == "https-only"
    error_message = "TLS on both ways"
  }
  assert {
    condition     = one(aws_cloudfront_distribution.this.origin).domain_name == "ontime.example" && startswith(output.address, "https://")
    error_message = "the environment's own name is the origin"
  }
}
