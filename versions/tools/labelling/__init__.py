"""Labels collections of pictures of any size: a stopped run resumes, and of a bad picture it says what is wrong."""
