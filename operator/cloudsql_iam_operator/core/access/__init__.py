"""Who may use an instance for what: the allow rules and the powers they give."""
