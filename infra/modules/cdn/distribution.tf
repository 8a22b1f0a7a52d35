locals {
  # CloudFront's own policies, the same in every account.
  cached   = "658327ea-f89d-4fab-a63d-7439e6f46df6" # CachingOptimized
  uncached = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" # CachingDisabled
}

resource "aws_cloudfront_distribution" "this" {
  enabled         = true
  comment         = "App bundles of ${var.name}"
  is_ipv6_enabled = true
  http_version    = "http2and3"

  origin {
    origin_id   = "environment"
    domain_name = var.host

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  # Bundles never change under their address, and the service says so (cache-control: immutable).
  ordered_cache_behavior {
    path_pattern           = "/ota/bundles/*"
    target_origin_id       = "environment"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = local.cached
    viewer_protocol_policy = "https-only"
  }

  default_cache_behavior {
    target_origin_id       = "environment"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = local.uncached
    viewer_protocol_policy = "https-only"
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}
