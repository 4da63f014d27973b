//! `[[providers]]`.

use super::Mistake;

pub(super) const MISTAKES: [Mistake; 22] = [
    (
        "[[providers]]\nname = \"a\"\ntype = \"exec\"\ncommand = [\"/bin/true\"]",
        "3:8: error: `providers[0].type` is `exec`, which runs programs of this machine; to allow that, set `allow_exec",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"log\"\nprofile = \"x\"",
        "4:11: error: `providers[0].profile` is \"x\", and there is no profile of that name",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"log\"\nrate_per_second = 0.0",
        "4:19: error: `providers[0].rate_per_second` is 0; it must be from 0.001",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"webhook\"\nurll = \"http://x\"",
        "4:1: error: unknown key `urll` in [[providers]] (did you mean `url`?)",
    ),
    ("[[providers]]\ntype = \"log\"", "1:1: error: [[providers]] number 1 lacks `name`"),
    ("[[providers]]\nname = \"a\"", "lacks `type`: one of log, webhook"),
    ("[[providers]]\nname = \"a\"\ntype = \"webhook\"\nurl = \"ftp://x\"", "4:7: error: `providers[0].url`"),
    (
        "[[providers]]\nname = \"q\"\ntype = \"carrier-pigeon\"\nloft = \"x\"",
        "3:8: error: `providers[0].type` is \"carrier-pigeon\", which this version does not have; its types are log, webhook",
    ),
    ("[[providers]]\nname = \"a\"\ntype = \"webhok\"", "(did you mean `webhook`?)"),
    ("[[providers]]\nname = \"a\"\ntype = \"aws-sns\"", "lacks `topic_arn`, which type \"aws-sns\" needs"),
    (
        "[[providers]]\nname = \"a\"\ntype = \"aws-sns\"\ntopic_arn = \"alerts\"",
        "4:13: error: `providers[0].topic_arn` is not an ARN",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"aws-s3\"\nbucket_name = \"b-1\"\naws_regoin = \"x\"",
        "(did you mean `aws_region`?)",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"aws-sqs\"\nqueue_url = \"${NO_SUCH_1}/q\"",
        "4:13: error: `providers[0].queue_url` is taken from the environment variable NO_SUCH_1, which is not set",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"webhook\"",
        "1:1: error: [[providers]] number 1 lacks `url`, which type \"webhook\" needs",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"log\"\nurl = \"http://x\"",
        "4:1: error: `providers[0].url` has no meaning for type \"log\": it is a key of webhook",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"webhook\"\nurl = 5",
        "4:7: error: `providers[0].url` must be a string: put it in quotes",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"webhook\"\nurl = \"http://x\"\nheaders = \"hunter2\"",
        "5:11: error: `providers[0].headers` must be a map",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"webhook\"\nurl = \"http://x\"\n[providers.headers]\nX-A = \"env:NO_SUCH_1\"",
        "6:7: error: `providers[0].headers.X-A` is taken from the environment variable NO_SUCH_1, which is not set",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"webhook\"\nurl = \"http://x\"\n[providers.headers]\nHost = \"a\\nb\"",
        "6:8: error: `providers[0].headers.Host` has a value that HTTP does not allow",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"webhook\"\nurl = \"http://x\"\n[providers.http]\nprxy = \"a\"",
        "6:1: error: `providers[0]` has an unknown key `prxy` (did you mean `proxy`?)",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"webhook\"\nurl = \"http://x\"\nhttp.proxy = \"a\"",
        "5:14: error: `providers[0].http.proxy` is not a proxy's URL",
    ),
    (
        "[[providers]]\nname = \"a\"\ntype = \"log\"\n[[providers]]\nname = \"a\"\ntype = \"log\"",
        "5:8: error: `providers[1].name` is \"a\", as in [[providers]] number 1",
    ),
];
