"""Who somebody is (身份): sign-in, second factor, company sign-in, keys for programs, people and roles."""
