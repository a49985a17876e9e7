"""Google's APIs: clients, credentials, errors translated. One call is one function; core decides what it means."""
