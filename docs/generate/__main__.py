from docs.generate import write

write()
