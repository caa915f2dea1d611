"""Makes what the documents show: pictures, guides and the site. Run from a checkout; never in the wheel."""
