print("no scenario yet")
