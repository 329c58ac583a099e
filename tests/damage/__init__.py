"""What a damaged store file does: it is noticed, and every copy that survived is used."""
