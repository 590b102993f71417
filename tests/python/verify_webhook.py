"""Whether a webhook is signed as Standard Webhooks has it, in the judgement of its own library.

Reads JSON: the secret, the headers as an object with names in lower case, and the body. Exits with 1 where it is not.
"""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

sent = json.load(sys.stdin)
try:
    Webhook(sent["secret"]).verify(sent["body"], sent["headers"])
except WebhookVerificationError as error:
    sys.exit(str(error))
