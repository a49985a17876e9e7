"""What proves who somebody is beside access tokens: keys, ID tokens, and tokens of providers outside."""
