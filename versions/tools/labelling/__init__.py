"""Labels collections of pictures, of any size: goes on where it was ended, and says of a bad picture what is wrong."""
