"""Names as Terraform computes them."""

from shipway.aws.names import Names, all_names
from tests.aws.descriptions import repositorys


def test_a_long_target_group_keeps_21_letters_and_gets_a_mark():
    names = Names("ontime", "123456789012", "us-east-1")
    assert "ontime-dev-backend-api-blue" == names.target_group("dev", "backend-api", "blue")
    assert "ontime-prod-ml-model-6cd2-green" == names.target_group("prod", "ml-model-service", "green")


def test_no_name_is_longer_than_aws_takes_and_none_stands_twice():
    found = list(all_names(repositorys()))
    limits = {"aws_lb_target_group": 32, "aws_iam_role": 64, "aws_s3_bucket": 63, "aws_codepipeline": 100}
    assert [] == [(kind, name) for kind, name in found if len(name) > limits.get(kind, 255)]
    several = {"aws_ecs_service"}  # a service of the same name in each cluster
    once = [entry for entry in found if entry[0] not in several]
    assert len(once) == len(set(once))
    assert len(found) > 100
