# The emulator has no CodePipeline; the projects that pipelines start are there.
resource "aws_codepipeline" "branch" {
  for_each = {}
}
