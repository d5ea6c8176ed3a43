"""The commands of `careloop`, grouped by who types them."""
