"""What happens to a store whose program is killed, interrupted or forked, again and again."""
