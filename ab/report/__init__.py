"""The page that shows an experiment: values in, one self-contained HTML text out. Pure, standard library only."""
